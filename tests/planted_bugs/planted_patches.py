"""A planted bug is a patch file of this folder. Its first lines say, each after "# ":

    what the bug is, in a line or more
    kind: one of KINDS
    source: OWNER/NAME issue|pull request #N ...: what happened there    (or "our own", or no such line)
    seeds: N         within how many seeds the hunt must find it,
    or scenario: S   which scenario, made for its rule, must fail,
    or verify: S     which scenario's run must be found to differ from itself

What follows is the patch. Whatever is not of this form is an error: a table with holes would tell nothing."""

import dataclasses
import pathlib
import re

KINDS = ("election", "replication", "commit", "persistence", "snapshot", "membership", "reads", "sessions", "liveness",
         "detection", "determinism")
# What a source begins with: where anyone can look it up.
REFERENCE = re.compile(r"[\w.-]+/[\w.-]+ (?:issue|pull request) #\d+")
FINDERS = ("seeds", "scenario", "verify")
KEYS = ("kind", "source", *FINDERS)
# Where a line begins like one of the keys, but is not written as these are.
LIKE_A_KEY = re.compile(r"#\s*(kind|source|seeds?|scenario|verify)s?\s*:", re.IGNORECASE)


class BadPatch(Exception):
    """Says which patch, and what of its head."""


@dataclasses.dataclass(frozen=True)
class Planted:
    path: pathlib.Path
    what: str
    kind: str
    source: str  # empty: our own
    seeds: int  # 0: a scenario finds it, or verify does
    scenario: str
    verify: str  # a scenario

    @property
    def name(self):
        return self.path.stem

    @property
    def reference(self):
        """The source's first words, short enough for a table."""
        return REFERENCE.match(self.source).group() if self.source else ""


def head_of(text):
    return text.split("\n--- a/", 1)[0].splitlines()


def planted_from(path, text):
    """Returns what the patch says of itself. Raises BadPatch."""
    values, what = {}, []
    for line in head_of(text):
        if not line.startswith("# "):
            raise BadPatch(f"{path.name}: '{line}' is no line of the head")
        key, _, value = line[2:].partition(": ")
        if key in KEYS:
            if key in values:
                raise BadPatch(f"{path.name} says '# {key}:' twice")
            values[key] = value.strip()
        elif LIKE_A_KEY.match(line):
            raise BadPatch(f"{path.name}: '{line}' is no '# KEY: VALUE', KEY one of {', '.join(KEYS)}")
        else:
            what.append(line[2:])
    check_values(path.name, text, values, what)
    source = values.get("source", "our own")
    return Planted(path, " ".join(what), values["kind"], "" if source == "our own" else source,
                   int(values.get("seeds", 0)), values.get("scenario", ""), values.get("verify", ""))


def check_values(name, text, values, what):
    if "\n--- a/" not in text:
        raise BadPatch(f"{name} has no patch after its head")
    if not what:
        raise BadPatch(f"{name} does not say what the bug is")
    if values.get("kind") not in KINDS:
        raise BadPatch(f"{name} needs a line '# kind: K', K one of {', '.join(KINDS)}")
    if sum(key in values for key in FINDERS) != 1:
        raise BadPatch(f"{name} needs either a line '# seeds: N', '# scenario: NAME' or '# verify: NAME'")
    if not re.fullmatch(r"[1-9]\d*", values.get("seeds", "1")):
        raise BadPatch(f"{name}: '{values['seeds']}' is no number of seeds")
    for key in ("scenario", "verify"):
        if not re.fullmatch(r"\w+", values.get(key, "some")):
            raise BadPatch(f"{name}: '{values[key]}' is no scenario's name")
    source = values.get("source", "our own")
    if source != "our own" and not (REFERENCE.match(source) and ": " in source):
        raise BadPatch(f"{name}: a source is 'OWNER/NAME issue #N: what happened there' (or pull request), or 'our own'")


def all_planted(folder):
    """Every patch of the folder, by name. Raises BadPatch."""
    return [planted_from(path, path.read_text()) for path in sorted(folder.glob("*.patch"))]
