"""The rules of the house, as functions from a source tree to complaints. house_test.py runs them over the project,
and over small trees in which each rule is broken, so that no rule passes because it looks at nothing."""

import re

SUFFIXES = (".h", ".cc")
FOLDERS = ("core", "sim", "net", "apps", "tests")
LINES_MAX = 500
COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70

# Who may include whom: a folder, and the prefixes of what its files may name in quotes.
ARROWS = {
    "core/base": ("core/base/",),
    "core/raft": ("core/base/", "core/raft/"),
    "core/kv": ("core/base/", "core/kv/"),
    "core/storage": ("core/base/", "core/storage/", "core/raft/entry.h", "core/raft/codec.h", "core/raft/message.h",
                     "core/raft/ready.h"),
    "core/node": ("core/",),
    "sim": ("core/", "sim/"),
    "net": ("core/", "net/"),
    "apps": ("core/", "apps/", "sim/", "net/"),
    "tests": ("core/", "sim/", "net/", "apps/", "tests/"),
}

# What would let time, chance, threads or the operating system into the core or the simulator.
BANNED_HEADERS = {
    "thread", "mutex", "shared_mutex", "atomic", "condition_variable", "future", "semaphore", "barrier", "latch",
    "stop_token", "random", "chrono", "ctime", "time.h", "sys/time.h", "fstream", "filesystem", "cstdio", "stdio.h",
    "iostream", "unistd.h", "fcntl.h", "sys/socket.h", "sys/stat.h", "sys/types.h", "netinet/in.h", "arpa/inet.h",
    "poll.h", "sys/epoll.h", "sys/mman.h", "pthread.h", "unordered_map", "unordered_set", "httplib.h",
}
BANNED_WORDS = re.compile(
    r"\b(std::unordered_\w+|std::thread|std::mutex|std::atomic\w*|std::chrono|rand\(\)|srand|std::rand|time\(nullptr\)"
    r"|getenv|thread_local|__DATE__|__TIME__)")
# Nothing decides by a fraction: they differ between compilers. A scenario file's fractions become parts in a million
# as they are read.
FLOATS_ARE_READ_IN = "sim/scenario/reader.cc"
FLOATS = re.compile(r"\b(double|float|long double)\b")
# The failed check's last words go to standard error.
EXCEPTIONS = {("core/base/check.cc", "cstdio"), ("core/base/check.cc", "stdio.h")}


def sources(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path, path.relative_to(root).as_posix()


def without_comments(text):
    text = re.sub(r"/\*.*?\*/", lambda found: "\n" * found.group().count("\n"), text, flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", text)


def without_strings(text):
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def folder_of(name):
    return next((folder for folder in ARROWS if name.startswith(folder + "/")), None)


def include_arrows(root):
    """Returns the complaints, and how many includes were looked at."""
    complaints, count = [], 0
    programs = {}
    for path, name in sources(root):
        folder = folder_of(name)
        if folder is None:
            complaints.append(f"{name}: stands in no known folder")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not found:
                continue
            count += 1
            if not found.group(1).startswith(ARROWS[folder]):
                complaints.append(f"{name}:{number}: {folder} must not include {found.group(1)}")
            for world in ("sim", "net"):
                if folder == "apps" and found.group(1).startswith(world + "/"):
                    programs.setdefault(program_of(name), {})[world] = f"{name}:{number}"
    for program, worlds in programs.items():
        if len(worlds) > 1:
            complaints.append(f"{worlds['sim']} and {worlds['net']}: {program} includes both worlds")
    return complaints, count


def program_of(name):
    """apps/ctl/* belongs to vesperctl, apps/vesper_sim* to vesper-sim, apps/vesperd* to vesperd."""
    stem = name.split("/")[1]
    return "vesperctl" if stem == "ctl" else re.match(r"vesper(ctl|d|_sim)?", stem).group()


def determinism(root):
    complaints = []
    for path, name in sources(root):
        if not name.startswith(("core/", "sim/")):
            continue
        code = without_comments(path.read_text())
        for number, line in enumerate(code.splitlines(), 1):
            found = re.match(r"\s*#\s*include\s*<([^>]+)>", line)
            if found and found.group(1) in BANNED_HEADERS and (name, found.group(1)) not in EXCEPTIONS:
                complaints.append(f"{name}:{number}: <{found.group(1)}> is banned here")
            plain = without_strings(line)
            for pattern in (BANNED_WORDS, FLOATS):
                word = pattern.search(plain)
                if word and not (pattern is FLOATS and name == FLOATS_ARE_READ_IN):
                    complaints.append(f"{name}:{number}: '{word.group()}' is banned here")
    return complaints


def shape(root):
    complaints = []
    for path, name in sources(root):
        lines = path.read_text().split("\n")
        if len(lines) - 1 > LINES_MAX:
            complaints.append(f"{name}: {len(lines) - 1} lines, at most {LINES_MAX}")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                complaints.append(f"{name}:{number}: {len(line)} columns, at most {COLUMNS_MAX}")
            if "\t" in line or line != line.rstrip():
                complaints.append(f"{name}:{number}: a tab, or space at the end")
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                complaints.append(f"{name}:{number}: an open end; make it an issue")
        if lines[-1] != "":
            complaints.append(f"{name}: no newline at the end")
    return complaints


def functions(root):
    """A function at the outermost level ends with a brace in the first column."""
    complaints = []
    for path, name in sources(root):
        start = None
        for number, line in enumerate(without_comments(path.read_text()).split("\n"), 1):
            if line.startswith("}"):
                if start is not None and number - start + 1 > FUNCTION_LINES_MAX:
                    complaints.append(f"{name}:{start}: a function of {number - start + 1} lines, "
                                      f"at most {FUNCTION_LINES_MAX}")
                start = None
            elif re.match(r"[A-Za-z_~\[].*\(", line) and not line.rstrip().endswith(";"):
                if not re.match(r"(namespace|class|struct|enum|union|using|static_assert|TEST_CASE_TEMPLATE)\b", line):
                    start = number
    return complaints


# A compiler gets it as its main file, where the line is a warning.
PRECOMPILED = "core/base/precompiled.h"


def headers(root):
    complaints = []
    for path, name in sources(root):
        text = path.read_text()
        if path.suffix == ".h":
            if not text.startswith("//"):
                complaints.append(f"{name}:1: a header opens with what it is, what it owns and who calls it")
            if "#pragma once" not in text.splitlines() and name != PRECOMPILED:
                complaints.append(f"{name}:1: no #pragma once")
        own = path.with_suffix(".h")
        if path.suffix == ".cc" and own.exists():
            first = re.search(r"#\s*include\s*[<\"]([^>\"]+)", text)
            wanted = own.relative_to(root).as_posix()
            if not first or first.group(1) != wanted:
                complaints.append(f"{name}: its own header {wanted} comes first")
    return complaints


def dead_files(root):
    """Every .cc is named by a meson.build of its folder or of one above."""
    complaints = []
    for path, name in sources(root):
        if path.suffix != ".cc":
            continue
        folder, named = path.parent, False
        while not named and folder != root.parent:
            build = folder / "meson.build"
            if build.exists():
                text = build.read_text()
                relative = path.relative_to(folder).as_posix()
                # A list of names may add the rest: 'codec' and name + '_test.cc'.
                stem = re.sub(r"(_test)?\.cc$", "", relative)
                named = f"'{relative}'" in text or (relative.endswith("_test.cc") and f"'{stem}'" in text)
            folder = folder.parent
        if not named:
            complaints.append(f"{name}: no meson.build builds it")
    return complaints


def top_level(names):
    """What may stand at the top of the repository."""
    allowed = {"meson.build", "README.md", "core", "sim", "net", "apps", "tests", "scenarios"}
    return [f"{name}: must not stand at the top" for name in names
            if not name.startswith(".") and name not in allowed]
