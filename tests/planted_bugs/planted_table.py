"""The table of the bugs that were planted: as text while they are hunted, and as the file that stands beside them."""

import dataclasses
import statistics
import typing

import planted_patches
import planted_runs


@dataclasses.dataclass
class Row:
    planted: planted_patches.Planted
    invariant: str  # empty: not found
    seed: str
    cpu: float
    shrunk: typing.Optional[planted_runs.Shrunk]

    @property
    def finder(self):
        planted = self.planted
        return planted.scenario or (f"verify {planted.verify}" if planted.verify else str(planted.seeds))

    def small(self):
        """Steps before and after, and the seconds that it took."""
        if self.shrunk is None:
            return "-"
        end = "" if self.shrunk.is_same else ", ANOTHER INVARIANT"
        return f"{self.shrunk.before} -> {self.shrunk.after} in {self.shrunk.seconds:.1f} s{end}"

    def cells(self, with_shrink):
        found = "found" if self.invariant else "NOT FOUND"
        cells = [self.planted.name, self.planted.kind, self.planted.reference or "our own", found, self.invariant or "-",
                 self.seed if self.invariant else "-", self.finder, f"{self.cpu:.2f}"]
        return cells + [self.small()] if with_shrink else cells


HEADS = ("bug", "kind", "source", "found", "invariant", "first seed", "seeds", "CPU s")
SHRINK_HEAD = "steps made fewer"
WIDTHS = (36, 12, 38, 10, 26, 10, 26, 7, 0)


def heads(with_shrink):
    return HEADS + (SHRINK_HEAD,) if with_shrink else HEADS


def print_line(cells):
    print(" ".join(f"{cell:{width}}" for cell, width in zip(cells, WIDTHS)).rstrip(), flush=True)


def totals(rows):
    """What the whole table says, a sentence a line."""
    found = [row for row in rows if row.invariant]
    sourced = [row for row in rows if row.planted.reference]
    threads = {row.planted.reference for row in sourced}
    lines = [f"planted bugs: found {len(found)} of {len(rows)}",
             f"of other implementations: found {sum(1 for row in sourced if row.invariant)} of {len(sourced)}, "
             f"from {len(threads)} reports"]
    if found:
        lines.append(f"median CPU seconds of the hunts that found one: {statistics.median(r.cpu for r in found):.2f}")
    small = [row.shrunk for row in rows if row.shrunk]
    if small:
        lines.append(f"median steps: {statistics.median(s.before for s in small):g} before, "
                     f"{statistics.median(s.after for s in small):g} after; median seconds to make them small: "
                     f"{statistics.median(s.seconds for s in small):.1f}; failed again twice by the same invariant: "
                     f"{sum(s.is_same for s in small)} of {len([row for row in found if not row.planted.verify])}")
    return lines


def kinds(rows):
    counts = []
    for kind in planted_patches.KINDS:
        of_kind = [row for row in rows if row.planted.kind == kind]
        if of_kind:
            counts.append(f"{kind} {sum(1 for row in of_kind if row.invariant)}/{len(of_kind)}")
    return "by kind: " + ", ".join(counts)


def markdown(rows, command, clean, with_shrink):
    """The whole file."""
    def line(cells):
        return "| " + " | ".join(cells) + " |"

    text = ["# The planted bugs, and what finds them", "",
            f"Written by `{command}`; do not edit. Each bug is a patch of this folder, planted alone in a copy of the "
            "source. The first lines of a patch say what it is and, where it is one that another implementation has "
            "had, where that is told. Bugs of others that cannot be planted here stand in `EQUIVALENT.md`.", "",
            f"The column *seeds* says within how many seeds of `vesper-sim hunt` the bug must be found, or which "
            f"scenario must fail, or of which scenario `vesper-sim verify` must say that two runs differ. {clean}.", ""]
    text += [f"- {sentence}" for sentence in totals(rows) + [kinds(rows)]] + [""]
    text += [line(heads(with_shrink)), line(["---"] * len(heads(with_shrink)))]
    text += [line(row.cells(with_shrink)) for row in rows]
    text += ["", "## What happened there", ""]
    text += [f"- **{row.planted.name}**: {row.planted.what} *{row.planted.source}*" for row in rows
             if row.planted.reference]
    return "\n".join(text) + "\n"
