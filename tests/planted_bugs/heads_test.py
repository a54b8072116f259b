#!/usr/bin/env python3
"""Every planted bug's patch says what it must, and a head that does not is refused with words that say why."""

import pathlib
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import planted_patches

BODY = "--- a/core/a.cc\n+++ b/core/a.cc\n"
GOOD = "# What it is,\n# in two lines.\n# kind: election\n# source: a/b issue #1: what happened\n# seeds: 20\n" + BODY
# What replaces what in the good one, and words of the complaint.
BROKEN = [
    ("# What it is,\n# in two lines.\n", "", "does not say what the bug is"),
    ("# What it is,", "What it is,", "is no line of the head"),
    ("# kind: election\n", "", "needs a line '# kind: K'"),
    ("# kind: election", "# kind: bad luck", "needs a line '# kind: K'"),
    ("# kind: election", "# Kind: election", "is no '# KEY: VALUE'"),
    ("# kind: election\n", "# kind: election\n# kind: reads\n", "says '# kind:' twice"),
    ("# source: a/b issue #1: what happened", "# source: a/b, somewhere: what happened", "a source is"),
    ("# source: a/b issue #1: what happened", "# source: a/b issue #1", "a source is"),
    ("# source:", "# sources:", "is no '# KEY: VALUE'"),
    ("# seeds: 20\n", "", "needs either"),
    ("# seeds: 20", "# seeds: 20\n# scenario: some", "needs either"),
    ("# seeds: 20", "# seeds: 20\n# verify: some", "needs either"),
    ("# seeds: 20", "# verify: some.toml", "is no scenario's name"),
    ("# seeds: 20", "# seeds: 0", "is no number of seeds"),
    ("# seeds: 20", "# seeds: many", "is no number of seeds"),
    ("# seeds: 20", "# scenario: some.toml", "is no scenario's name"),
    (BODY, "", "has no patch after its head"),
]


def main():
    here = pathlib.Path("some.patch")
    good = planted_patches.planted_from(here, GOOD)
    assert (good.name, good.what, good.kind) == ("some", "What it is, in two lines.", "election")
    assert (good.reference, good.seeds, good.scenario) == ("a/b issue #1", 20, "")
    own = planted_patches.planted_from(here, GOOD.replace("a/b issue #1: what happened", "our own"))
    assert own.reference == "" and own.source == ""
    for old, new, words in BROKEN:
        assert old in GOOD, old
        try:
            planted_patches.planted_from(here, GOOD.replace(old, new))
        except planted_patches.BadPatch as problem:
            assert words in str(problem), f"{new!r}: {problem}"
        else:
            raise AssertionError(f"{new!r} in place of {old!r} is not refused")
    patches = planted_patches.all_planted(HERE)
    assert len(patches) >= 73
    print(f"counts: planted bugs: {len(patches)} patches, "
          f"{sum(1 for planted in patches if planted.reference)} of other implementations")


if __name__ == "__main__":
    main()
