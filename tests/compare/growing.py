"""What tests/compare/growth measures by wrk: a cell is one load of one cluster; of each there is a result a round."""

import dataclasses
import os
import time

import loads
import nodes

CLIENTS = 64
STEADY_CLIENTS = 256
FILL_CLIENTS = 256
NODE_COUNTS = (1, 3, 5, 7)
VALUE_SIZES = (16, 100, 1024, 4096, 16384, 65536)
VALUES_BYTES_MAX = 256 * 2**20  # of all keys together: fewer keys beyond it
CLIENT_COUNTS = (1, 4, 16, 64, 256, 1000)
ONE_NODE_FROM = 1_000_000  # keys from which a single node is measured too
FIVE_NODES_TO = 1_000_000  # keys beyond which it alone is
OPS = ("put", "get")


@dataclasses.dataclass(frozen=True, order=True)
class Cell:
    """`x` is what grows in its table, `variant` whatever else is unlike the other cells'."""
    variant: str
    op: str
    x: float


class Growth:
    def __init__(self, options):
        self.options = options
        self.tables = {}  # by name: by cell the results, a round each

    def tell(self, table, cell, result):
        self.tables.setdefault(table, {}).setdefault(cell, []).append(result)
        print(f"  {table:8} {cell.variant:10} {cell.op.upper():4} {cell.x:>9g}   {result['per_second']:9.0f}/s"
              f"   p50 {result['p50_ms']:8.2f} ms   p99 {result['p99_ms']:8.2f} ms", flush=True)
        if result["errors"]:
            print(f"  ERRORS: {result['errors']}, the first: {result['told']}", flush=True)
        if result["elections"]:
            print(f"  elections meanwhile: {result['elections']}", flush=True)

    def cluster(self, count=nodes.NODES):
        os.sync()  # what the one before left to write is not this one's to wait for
        return nodes.Vesper(self.options.build, count)

    def load(self, cluster, op, clients, **load):
        """A cell's result."""
        before = nodes.term(cluster)
        result = loads.measure(cluster, lambda address, seconds: loads.wrk(
            cluster.name, address, op, clients, seconds, made="each", **load), self.options.seconds)
        result["elections"] = nodes.term(cluster) - before
        result["resident_mib"] = nodes.resident_mib(cluster)
        result["value_mb_per_second"] = result["per_second"] * load.get("value_size", loads.VALUE_SIZE) / 1e6
        return result

    def rounds(self):
        for number in range(1, self.options.rounds + 1):
            print(f"  round {number} of {self.options.rounds}", flush=True)
            yield number

    def measure_nodes(self):
        for _ in self.rounds():
            for count in NODE_COUNTS:
                with self.cluster(count) as cluster:
                    nodes.start(cluster)
                    loads.fill(cluster, loads.KEYS, made="each")
                    for op in OPS:
                        self.tell("nodes", Cell("", op, count), self.load(cluster, op, CLIENTS))

    def measure_values(self):
        for _ in self.rounds():
            for size in VALUE_SIZES:
                load = {"value_size": size, "keys": min(loads.KEYS, VALUES_BYTES_MAX // size)}
                with self.cluster() as cluster:
                    nodes.start(cluster)
                    loads.fill(cluster, load["keys"], made="each", **load)
                    for op in OPS:
                        self.tell("values", Cell("", op, size), self.load(cluster, op, CLIENTS, **load))

    def measure_clients(self):
        for _ in self.rounds():
            with self.cluster() as cluster:
                nodes.start(cluster)
                loads.fill(cluster, loads.KEYS, made="each")
                for op in OPS:
                    for clients in CLIENT_COUNTS:
                        self.tell("clients", Cell("", op, clients), self.load(cluster, op, clients))

    def measure_keys(self):
        """Filling takes longest: so a cluster is filled once for all rounds."""
        for keys in self.options.keys:
            if keys <= FIVE_NODES_TO:
                self.measure_keys_of(keys, nodes.NODES, "five nodes")
            if keys >= ONE_NODE_FROM:
                self.measure_keys_of(keys, 1, "one node")

    def measure_keys_of(self, keys, count, variant):
        with self.cluster(count) as cluster:
            nodes.start(cluster)
            filled = self.fill(cluster, keys)
            print(f"  keys     {variant:10} filled with {keys} keys: {filled['fill_per_second']:.0f} a second, "
                  f"{filled['bytes_a_key']:.0f} bytes of a node's memory a key, {filled['bytes_a_key_more']:.0f} "
                  "without what an empty node has", flush=True)
            for _ in self.rounds():
                for op in OPS:
                    self.tell("keys", Cell(variant, op, keys), self.load(cluster, op, CLIENTS, keys=keys) | filled)

    @staticmethod
    def fill(cluster, keys):
        node = nodes.wait_leading_node(cluster)
        empty = nodes.memory_mib(cluster, node, "VmRSS")
        begin = time.monotonic()
        loads.fill(cluster, keys, FILL_CLIENTS, keys=keys, made="each")
        took = time.monotonic() - begin
        full = nodes.memory_mib(cluster, node, "VmRSS")
        return {"fill_per_second": keys / took, "bytes_a_key": full * 2**20 / keys,
                "bytes_a_key_more": (full - empty) * 2**20 / keys}

    def measure_steady(self):
        """A line a minute."""
        with self.cluster() as cluster:
            nodes.start(cluster)
            first, left, at = nodes.term(cluster), round(60 * self.options.minutes), 0
            while left > 0:
                seconds = min(60, left)
                leader = nodes.wait_leading_node(cluster)
                result = loads.wrk(cluster.name, cluster.addresses[leader], "put", STEADY_CLIENTS, seconds, made="each")
                nodes.check_running(cluster)
                resident = {node: nodes.memory_mib(cluster, node, "VmRSS") for node in cluster.processes}
                result["leader_mib"] = resident.pop(nodes.wait_leading_node(cluster))
                result["follower_mib"] = max(resident.values())
                result["elections"] = nodes.term(cluster) - first
                left, at = left - seconds, at + seconds
                self.tell("steady", Cell("", "put", at / 60), result)
