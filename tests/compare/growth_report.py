"""What tests/compare/growth tells of what it measured: tables of the medians over its rounds, and plots of them."""

import math
import statistics

import loads
import overload
import svg
from growing import CLIENTS, STEADY_CLIENTS

BLUE, ORANGE, GREEN, PURPLE, RED = "#1864ab", "#d9480f", "#2b8a3e", "#862e9c", "#c92a2a"
COLORS = {("", "put"): BLUE, ("", "get"): ORANGE, ("five nodes", "put"): BLUE, ("five nodes", "get"): ORANGE,
          ("one node", "put"): GREEN, ("one node", "get"): PURPLE}
RATE, P50, P99 = ("a second", "per_second", "{:.0f}"), ("p50 ms", "p50_ms", "{:.2f}"), ("p99 ms", "p99_ms", "{:.2f}")
CPU = ("CPU s/1000", "cpu_per_1000", "{:.3f}")
CLIENT_CPU = ("client's", "client_cpu_per_1000", "{:.3f}")
MEMORY = ("MiB", "resident_mib", "{:.0f}")
MEGABYTES = ("MB/s", "value_mb_per_second", "{:.2f}")
ELECTIONS = ("elections", "elections", "{:.0f}")
COMMON = (RATE, P50, P99, CPU, CLIENT_CPU, MEMORY)
COLUMNS = {
    "nodes": COMMON,
    "values": (RATE, MEGABYTES, P50, P99, CPU, CLIENT_CPU, MEMORY),
    "clients": COMMON,
    "keys": (*COMMON, ("bytes a key", "bytes_a_key", "{:.0f}"), ("... more", "bytes_a_key_more", "{:.0f}"),
             ("fill/s", "fill_per_second", "{:.0f}")),
    "steady": (RATE, P99, ("leader MiB", "leader_mib", "{:.0f}"), ("follower MiB", "follower_mib", "{:.0f}"),
               ELECTIONS),
    "overload": (RATE, P50, P99, ("503/s", "refused_per_second", "{:.0f}"), ("503 p50", "refused_p50_ms", "{:.2f}"),
                 ("503 p99", "refused_p99_ms", "{:.2f}"), ("no reply", "broken", "{:.0f}"), ("late", "late", "{:.0f}"),
                 ("pending", "pending", "{:.0f}"), MEMORY, ELECTIONS, ("then/s", "after_first_second", "{:.0f}"),
                 ("of peak", "after_to_peak", "{:.2f}")),
}
GROWS = {"nodes": "nodes", "values": "bytes a value", "clients": "connections", "keys": "keys", "steady": "minutes",
         "overload": "clients"}
FILLED = f"{loads.KEYS} keys, values of {loads.VALUE_SIZE} bytes"
TITLES = {
    "nodes": f"As the cluster grows: {CLIENTS} connections, {FILLED}",
    "values": f"As values grow: five nodes, {CLIENTS} connections, {loads.KEYS} keys, less from 256 MiB of values on",
    "clients": f"As clients grow: five nodes, {FILLED}",
    "keys": f"As the state grows: {CLIENTS} connections, values of {loads.VALUE_SIZE} bytes",
    "steady": f"As time goes on: PUTs by {STEADY_CLIENTS} connections, five nodes, {FILLED}",
    "overload": f"PUTs by more clients than one needs or takes: five nodes, {FILLED}",
}
NOTES = {
    "keys": "bytes a key: of a node's resident memory once filled; ... more: without what the empty node has",
    "overload": "patient: who gets 503 tries again after what Retry-After says; insisting: at once. no reply: the "
                "connection ended;\n late: nothing within 5 s; pending: nothing yet at the end, for a second or more. "
                f"then: {overload.PEAK_CLIENTS} clients,\n in the first second after the others left",
}


def medians(results):
    """Of every metric that is a number; of a series the last round's."""
    found = {}
    for name in results[-1]:
        values = [result[name] for result in results if name in result]
        is_number = all(isinstance(value, (int, float)) for value in values)
        found[name] = statistics.median(values) if is_number else values[-1]
    return found


def shown(value, form):
    return "-" if value is None or math.isnan(value) else form.format(value)


def print_table(name, cells):
    print(f"\n{name}: {TITLES[name]}")
    heads = "".join(f"{title:>13}" for title, _, _ in COLUMNS[name])
    print(f"{GROWS[name]:>14} {'':17}{heads}")
    for cell, results in cells.items():
        found = medians(results)
        values = "".join(f"{shown(found.get(metric), form):>13}" for _, metric, form in COLUMNS[name])
        print(f"{cell.x:>14g} {cell.op.upper():5}{cell.variant:12}{values}")
    if name in NOTES:
        print(f"({NOTES[name]})")


def bytes_label(size):
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} B"


def x_axis(name, cells):
    places = sorted({cell.x for cell in cells})
    if name == "steady":
        return svg.Axis("minutes")
    label = bytes_label if name == "values" else svg.number
    words = {"values": "size of a value"}.get(name, GROWS[name])
    return svg.Axis(words, name != "nodes", [(place, label(place)) for place in places])


def lines(cells, *wanted):
    """A line a kind of cell and metric; `wanted`: (metric, what is added to the name, dashed)s."""
    kinds = list(dict.fromkeys((cell.variant, cell.op) for cell in cells))
    shows_op = len({op for _, op in kinds}) > 1
    return [svg.Series(" ".join(word for word in (op.upper() if shows_op else "", variant, more) if word),
                       [(cell.x, medians(cells[cell]).get(metric)) for cell in sorted(cells)
                        if (cell.variant, cell.op) == (variant, op)], COLORS[variant, op], dashed)
            for metric, more, dashed in wanted for variant, op in kinds]


def panels_of_cells(name, cells):
    x = x_axis(name, cells)
    panels = [svg.Panel("Throughput", x, svg.Axis("requests a second", name in ("values", "clients")),
                        lines(cells, ("per_second", "", False))),
              svg.Panel("Latency", x, svg.Axis("ms", True), lines(cells, ("p50_ms", "p50", False),
                                                                  ("p99_ms", "p99", True))),
              svg.Panel("CPU of all nodes", x, svg.Axis("CPU seconds a thousand requests", name == "values"),
                        lines(cells, ("cpu_per_1000", "", False))),
              svg.Panel("Resident memory of all nodes", x, svg.Axis("MiB", name == "keys"),
                        lines(cells, ("resident_mib", "", False)))]
    puts = {cell: results for cell, results in cells.items() if cell.op == "put"}
    if name == "values":
        panels.append(svg.Panel("Throughput in values' bytes", x, svg.Axis("MB a second", True),
                                lines(cells, ("value_mb_per_second", "", False))))
    if name == "keys":
        panels += [svg.Panel("Resident memory of a node", x, svg.Axis("bytes a key", True),
                             lines(puts, ("bytes_a_key", "filled", False),
                                   ("bytes_a_key_more", "less an empty node's", True))),
                   svg.Panel("Filling", x, svg.Axis("PUTs a second"), lines(puts, ("fill_per_second", "", False)))]
    return panels


def panels_of_steady(cells):
    x = x_axis("steady", cells)

    def line(metric, name, color, dashed=False):
        return svg.Series(name, [(cell.x, medians(results)[metric]) for cell, results in cells.items()], color, dashed)

    return [svg.Panel("Throughput", x, svg.Axis("PUTs a second"), [line("per_second", "", BLUE)]),
            svg.Panel("Latency", x, svg.Axis("ms"), [line("p50_ms", "p50", BLUE), line("p99_ms", "p99", BLUE, True)]),
            svg.Panel("Resident memory", x, svg.Axis("MiB"), [line("leader_mib", "the leader", BLUE),
                                                              line("follower_mib", "largest follower", ORANGE)]),
            svg.Panel("Elections so far", x, svg.Axis("elections"), [line("elections", "", RED)])]


def phase_name(cell):
    return f"{cell.x:,} {cell.variant}"


def timeline(cells):
    """The phases one after the other, as the last round had them, half a second a point. After each crowd as many
    clients as for the peak."""
    series = {"accepted": [], "503": []}
    marks, at = [], 0.0
    step = overload.BINS_A_SECOND // 2
    for cell, results in cells.items():
        parts = [(phase_name(cell), results[-1]["ok_by_bin"], results[-1]["refused_by_bin"])]
        if "after_by_bin" in results[-1]:
            after = results[-1]["after_by_bin"]
            parts.append(("after", after, [0] * len(after)))
        for name, accepted, refused in parts:
            marks.append((at, name))
            for kind, bins in (("accepted", accepted), ("503", refused)):
                series[kind] += [(at + place / overload.BINS_A_SECOND, 2 * sum(bins[place:place + step]))
                                 for place in range(0, len(bins), step)]
            at += len(accepted) / overload.BINS_A_SECOND
    return series, marks


def panels_of_overload(cells):
    series, marks = timeline(cells)
    seconds = svg.Axis("seconds measured, the phases one after the other")
    places = svg.Axis("clients", False, [(place, phase_name(cell)) for place, cell in enumerate(cells)])

    def line(metric, name, color, dashed=False):
        found = [medians(results)[metric] for results in cells.values()]
        return svg.Series(name, [(place, None if math.isnan(value) else value) for place, value in enumerate(found)],
                          color, dashed)

    return [svg.Panel("Accepted PUTs, over time", seconds, svg.Axis("a second"),
                      [svg.Series("", series["accepted"], BLUE)], marks, False),
            svg.Panel("503, over time", seconds, svg.Axis("a second"), [svg.Series("", series["503"], RED)], marks,
                      False),
            svg.Panel("Latency of accepted PUTs", places, svg.Axis("ms", True),
                      [line("p50_ms", "p50", BLUE), line("p99_ms", "p99", BLUE, True)]),
            svg.Panel("How fast a 503 comes, connecting included", places, svg.Axis("ms", True),
                      [line("refused_p50_ms", "p50", RED), line("refused_p99_ms", "p99", RED, True)])]


def draw(name, cells, folder, options):
    makers = {"steady": panels_of_steady, "overload": panels_of_overload}
    panels = makers[name](cells) if name in makers else panels_of_cells(name, cells)
    title, note = TITLES[name].split(": ", 1)
    took = f"{options.seconds} s a cell, medians of {options.rounds}. " if name != "steady" else ""
    note = f"{note[0].upper()}{note[1:]}. {took}All nodes and clients on one machine."
    svg.write(folder / f"{name}.svg", title, note, panels)


def print_broken(tables):
    """Returns whether there were any."""
    found = [(name, cell, result) for name, cells in tables.items() for cell, results in cells.items()
             for result in results if result["errors"] or result.get("broken") or result.get("late")
             or (name == "overload" and result["elections"])]
    for name, cell, result in found:
        counts = ", ".join(f"{result[kind]} {kind}" for kind in ("errors", "broken", "late", "elections")
                           if result.get(kind))
        print(f"ERRORS: {name}, {cell.op.upper()} {cell.variant} {cell.x:g}: {counts}; the first: {result['told']}")
    return bool(found)
