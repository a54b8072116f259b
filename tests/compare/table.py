"""What tests/compare/etcd prints: the medians over its rounds, and which goals they meet."""

import math
import statistics

COLUMNS = (("etcd", "json"), ("etcd", "native"), ("vesper", "json"))
METRICS = (("requests a second", "per_second", "{:.0f}"), ("p50, ms", "p50_ms", "{:.2f}"),
           ("p99, ms", "p99_ms", "{:.2f}"),
           ("CPU s a thousand, nodes", "cpu_per_1000", "{:.3f}"),
           ("CPU s a thousand, client", "client_cpu_per_1000", "{:.3f}"))


class Cells:
    """All that was measured: of each cell a list, an item a round."""

    def __init__(self):
        self.rounds = {}

    def add(self, system, load, op, clients, result):
        self.rounds.setdefault((system, load, op, clients), []).append(result)

    def median(self, system, load, op, clients, metric):
        """None if the cell was not measured."""
        results = self.rounds.get((system, load, op, clients))
        return statistics.median(result[metric] for result in results) if results else None

    def errors(self, *cell):
        return sum(result["errors"] for result in self.rounds.get(cell, []))

    def broken(self):
        return {cell: self.errors(*cell) for cell in self.rounds if self.errors(*cell)}

    def rows(self):
        return sorted({(op, clients) for _, _, op, clients in self.rounds}, key=lambda row: (row[0] != "put", row[1]))


def ratio(above, below):
    return above / below if above is not None and below else None


def print_metric(cells, title, metric, form):
    heads = f"{'etcd json':>13}{'etcd native':>13}{'vesper':>13}{'vesper/json':>14}{'vesper/native':>15}"
    print(f"\n{title:25}{heads}")
    for op, clients in cells.rows():
        values = [cells.median(*column, op, clients, metric) for column in COLUMNS]
        line = f"{op.upper()}, {clients} client{'s' if clients > 1 else ''}".ljust(25)
        for column, value in zip(COLUMNS, values):
            mark = "!" if cells.errors(*column, op, clients) else ""
            line += f"{'-' if value is None else mark + form.format(value):>13}"
        for other, width in zip(values[:2], (14, 15)):
            found = ratio(values[2], other)
            line += f"{'-' if found is None else f'{found:.2f}':>{width}}"
        print(line)


def print_memory(memory, count):
    print("\npeak memory of all nodes, MiB".ljust(41) + f"{'etcd':>10}{'vesper':>13}{'vesper/etcd':>14}")
    for when, title in (("filled", f"after {count} PUTs of 100 bytes each"),
                        ("end", "at the end (the faster has more PUTs)")):
        etcd, vesper = (statistics.median(memory[system][when]) for system in ("etcd", "vesper"))
        print(f"{title:40}{etcd:>10.0f}{vesper:>13.0f}{vesper / etcd:>14.2f}")


class Goals:
    """Those whose cells were measured: (what, found, met). What had errors is no number, and meets none."""

    def __init__(self, cells):
        self.cells, self.list = cells, []

    def sound(self, system, load, op, clients, metric):
        has_errors = self.cells.errors(system, load, op, clients)
        return math.nan if has_errors else self.cells.median(system, load, op, clients, metric)

    def vesper(self, op, clients, metric):
        return self.sound("vesper", "json", op, clients, metric)

    def etcd(self, load, op, clients, metric):
        return self.sound("etcd", load, op, clients, metric)

    def at_least(self, what, found, bound):
        if found is not None:
            self.list.append((f"{what}: at least {bound:g}", found, found >= bound))

    def at_most(self, what, found, bound):
        if found is not None:
            self.list.append((f"{what}: at most {bound:.3g}", found, found <= bound))

    def throughput(self, op, clients, load, bound):
        self.at_least(f"{op.upper()} a second, {clients} clients, vesper / etcd {load}",
                      ratio(self.vesper(op, clients, "per_second"), self.etcd(load, op, clients, "per_second")), bound)

    def not_above(self, op, clients, load, metric, bound):
        self.at_most(f"{op.upper()} {metric}, {clients} client{'s' if clients > 1 else ''}, vesper / etcd {load}",
                     ratio(self.vesper(op, clients, metric), self.etcd(load, op, clients, metric)), bound)


def goals(cells, memory, disk):
    told = Goals(cells)
    for clients in (64, 256):
        told.throughput("put", clients, "json", 5)
        told.not_above("put", clients, "json", "p99_ms", 0.5)
    told.throughput("put", 256, "native", 3)
    for clients in (64, 256):
        told.throughput("get", clients, "native", 3)
    for load in ("json", "native"):
        told.not_above("put", 1, load, "p50_ms", 0.5)
    told.at_most("PUT p50_ms, 1 client, vesper / three of five fdatasync",
                 ratio(told.vesper("put", 1, "p50_ms"), disk["three_of_five_ms"]), 2)
    for op in ("put", "get"):
        many, some = (told.vesper(op, clients, "per_second") for clients in (1000, 256))
        told.at_least(f"{op.upper()} a second, vesper, 1000 clients / 256 clients", ratio(many, some), 0.8)
        if many is not None:
            told.at_most(f"{op.upper()} errors, vesper, 1000 clients", cells.errors("vesper", "json", op, 1000), 0)
    for clients in (64, 256):
        for load in ("json", "native"):
            told.not_above("put", clients, load, "cpu_per_1000", 1 / 3)
    told.at_most("peak memory at equal data, vesper / etcd",
                 ratio(*(statistics.median(memory[system]["filled"]) for system in ("vesper", "etcd"))), 1 / 3)
    return told.list


def print_goals(told):
    print("\ngoals")
    for what, found, met in told:
        print(f"  {'met   ' if met else 'MISSED'}  {what:80} found {found:.3g}")
    print(f"{sum(met for *_, met in told)} of {len(told)} goals met")


def print_broken(cells):
    for (system, load, op, clients), errors in cells.broken().items():
        words = next(result["told"] for result in cells.rounds[system, load, op, clients] if result["errors"])
        print(f"ERRORS: {system} {load} {op.upper()}, {clients} clients: {errors}; the first: {words}")


def print_histories(histories):
    if histories:
        sound = [operations for _, operations in histories if operations is not None]
        print(f"{len(sound)} of {len(histories)} histories linearizable, {sum(sound)} operations in them")
