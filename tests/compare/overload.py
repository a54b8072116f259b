"""The overload of tests/compare/growth: a crowd of clients (crowd.cc) of one leader, ten times as many as it needs for
its best and ten times as many as it takes, and what becomes of its work, of theirs, and of the work after they left."""

import json
import math
import subprocess
import time

import loads
import nodes
from growing import Cell
from harness import Failure, die_with_parent

PEAK_CLIENTS = 256
NEEDED, BEYOND = 10 * PEAK_CLIENTS, 20_480
CLIENTS_A_PROCESS_MAX = 10_240  # of files that a process may have open
BINS_A_SECOND = 10
PHASES = (("peak", PEAK_CLIENTS, False), ("patient", NEEDED, False), ("patient", BEYOND, False),
          ("insisting", NEEDED, True))
COUNTS = ("errors", "broken", "late", "pending", "refused_at_accept")


def percentile_ms(counts, percent):
    """Of (us, how often)."""
    total, seen = sum(often for _, often in counts), 0
    for us, often in sorted(counts):
        seen += often
        if seen * 100 >= total * percent:
            return us / 1000
    return math.nan


def together(parts):
    """What several processes found, as if one had."""
    all_of = {name: [item for part in parts for item in part[name]] for name in ("accepted_us", "refused_us")}
    result = {name: sum(part[name] for part in parts) for name in COUNTS}
    result["told"] = next((part["told"] for part in parts if part["told"]), "")
    for name in ("ok_by_bin", "refused_by_bin"):
        result[name] = [sum(bins) for bins in zip(*(part[name] for part in parts))]
    seconds = len(result["ok_by_bin"]) / BINS_A_SECOND
    for short, name in (("", "accepted_us"), ("refused_", "refused_us")):
        count = sum(often for _, often in all_of[name])
        result[f"{short}per_second"] = count / seconds
        result[f"{short}p50_ms"], result[f"{short}p99_ms"] = (percentile_ms(all_of[name], share) for share in (50, 99))
        result[f"{short}max_ms"] = max((us for us, _ in all_of[name]), default=0) / 1000
    return result


def send(program, address, clients, seconds, warm_up, *more):
    """By so many processes at once as it takes, which begin together."""
    host, port = address.removeprefix("http://").split(":")
    count = math.ceil(clients / CLIENTS_A_PROCESS_MAX)
    begin = round(1000 * time.monotonic()) + 300 if count > 1 else 0
    processes = [subprocess.Popen(
        [program, host, port, "--clients", str(clients // count), "--seconds", str(seconds), "--warm-up", str(warm_up),
         "--begin", str(begin), "--seed", str(1000 + number), *more],
        stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent) for number in range(count)]
    try:
        told = [process.communicate(timeout=seconds + 60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    if any(process.returncode != 0 for process in processes):
        raise Failure(f"the crowd ended with {[process.returncode for process in processes]}")
    return together([json.loads(text) for text in told])


def add_recovery(result, after, peak):
    """Of the 256 clients right after the crowd left."""
    rates = [sum(after["ok_by_bin"][at:at + BINS_A_SECOND]) for at in range(0, len(after["ok_by_bin"]), BINS_A_SECOND)]
    result["after_first_second"], result["after_rest"] = rates[0], sum(rates[1:]) / max(len(rates) - 1, 1)
    result["after_to_peak"] = rates[0] / peak
    result["after_by_bin"] = after["ok_by_bin"]
    result["errors"] += after["errors"] + after["broken"] + after["late"]
    result["told"] = result["told"] or after["told"]


def measure(growth, program):
    """Each round: the peak, then each crowd and at once after it what 256 clients get."""
    for _ in growth.rounds():
        with growth.cluster() as cluster:
            nodes.start(cluster)
            loads.fill(cluster, loads.KEYS, made="each")
            for kind, clients, insists in PHASES:
                measure_phase(growth, program, cluster, Cell(kind, "put", clients), insists)


def measure_phase(growth, program, cluster, cell, insists):
    leader, before, cpu = nodes.wait_leader(cluster), nodes.term(cluster), nodes.cpu_seconds(cluster)
    more = ["--insist"] if insists else []
    result = send(program, leader, int(cell.x), growth.options.seconds, loads.WARM_UP_SECONDS, *more)
    if cell.variant != "peak":
        peak = growth.tables["overload"][Cell("peak", "put", PEAK_CLIENTS)][-1]["per_second"]
        add_recovery(result, send(program, leader, PEAK_CLIENTS, 3, 0), peak)
    result["elections"] = nodes.term(cluster) - before
    nodes.check_running(cluster)
    result["node_cpu_seconds"] = nodes.cpu_seconds(cluster) - cpu
    result["resident_mib"] = nodes.resident_mib(cluster)
    growth.tell("overload", cell, result)
    if cell.variant != "peak":
        print(f"           503: {result['refused_per_second']:.0f}/s, p50 {result['refused_p50_ms']:.2f} ms, p99 "
              f"{result['refused_p99_ms']:.2f} ms; no reply: {result['broken']} ended, {result['late']} late, "
              f"{result['pending']} pending; then {PEAK_CLIENTS} clients: {result['after_first_second']} in the first "
              f"second, {result['after_to_peak']:.2f} of the peak", flush=True)
