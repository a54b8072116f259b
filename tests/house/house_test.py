#!/usr/bin/env python3
"""Reads the source as a careful reviewer would: include arrows, what core and sim must not use, sizes, headers, dead
files, formatting. Each rule is first shown a small tree that breaks it."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import house_rules as rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOOD_HEADER = "// What it is.\n#pragma once\n"
LONG_FUNCTION = "void f() {\n" + "  g();\n" * rules.FUNCTION_LINES_MAX + "}\n"

# A rule, a file that breaks it, and its content.
BROKEN = [
    ("arrows", "core/raft/a.h", GOOD_HEADER + '#include "core/node/node.h"\n'),
    ("arrows", "core/kv/a.h", GOOD_HEADER + '#include "core/raft/log.h"\n'),
    ("arrows", "core/storage/a.h", GOOD_HEADER + '#include "core/raft/raft.h"\n'),
    ("arrows", "sim/a.h", GOOD_HEADER + '#include "net/http.h"\n'),
    ("arrows", "net/a.h", GOOD_HEADER + '#include "sim/world.h"\n'),
    ("arrows", "apps/vesperd.cc", '#include "sim/world.h"\n#include "net/http.h"\n'),
    ("determinism", "core/raft/a.cc", "#include <thread>\n"),
    ("determinism", "sim/a.cc", "#include <unordered_map>\n"),
    ("determinism", "sim/a.cc", "std::unordered_set<int> a;\n"),
    ("determinism", "core/kv/a.cc", "double share = 0;\n"),
    ("shape", "core/kv/a.cc", "x" * (rules.COLUMNS_MAX + 1) + "\n"),
    ("shape", "core/kv/a.cc", "\n" * (rules.LINES_MAX + 1)),
    ("shape", "core/kv/a.cc", "int a; \n"),
    ("shape", "core/kv/a.cc", "\tint a;\n"),
    ("shape", "core/kv/a.cc", "// TO" + "DO later\n"),
    ("shape", "core/kv/a.cc", "int a;"),
    ("functions", "core/kv/a.cc", LONG_FUNCTION),
    ("headers", "core/kv/a.h", "#pragma once\n"),
    ("headers", "core/kv/a.h", "// What it is.\n"),
    ("headers", "core/kv/a.h", "// What it is: no #pragma once.\n"),
    ("dead", "core/kv/a.cc", "int a;\n"),
]


def complaints_of(rule, root):
    return {
        "arrows": lambda: rules.include_arrows(root)[0],
        "determinism": lambda: rules.determinism(root),
        "shape": lambda: rules.shape(root),
        "functions": lambda: rules.functions(root),
        "headers": lambda: rules.headers(root),
        "dead": lambda: rules.dead_files(root),
    }[rule]()


def check_that_rules_bite():
    for rule, name, content in BROKEN:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True)
            path.write_text(content)
            if not complaints_of(rule, pathlib.Path(folder)):
                yield f"the rule '{rule}' does not notice {content[:60]!r} in {name}"
    if not rules.top_level(["vendor"]):
        yield "the rule 'top level' does not notice a folder 'vendor'"


def check_top_level():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return []  # a copy without its repository
    return rules.top_level(sorted({name.split("/")[0] for name in listed.stdout.split("\n") if name}))


def check_format():
    program = shutil.which("clang-format")
    if program is None:
        print("clang-format is not installed: formatting is not checked")
        return []
    files = [str(path) for path, _ in rules.sources(ROOT)]
    done = subprocess.run([program, "--dry-run", "--Werror", *files], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.split("\n") if ": error:" in line]


def main():
    complaints = list(check_that_rules_bite())
    arrows, count = rules.include_arrows(ROOT)
    complaints += arrows
    for rule in ("determinism", "shape", "functions", "headers", "dead"):
        complaints += complaints_of(rule, ROOT)
    complaints += check_top_level() + check_format()
    for complaint in complaints:
        print(complaint)
    print(f"counts: include arrows: {count}")
    print(f"counts: house rules shown to bite: {len(BROKEN) + 1}")
    return 1 if complaints or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
