"""The loads of tests/compare/etcd and tests/compare/growth, the programs they need, and what the disk alone takes."""

import base64
import json
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import nodes
from harness import Failure, check, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = pathlib.Path(__file__).resolve().parent / "load.lua"
KEYS = 10_000
VALUE_SIZE = 100
WARM_UP_SECONDS = 1
FILL_SECONDS_MAX = 3600
BLOCK = 4096
SAMPLES = 200
HISTORY_KEYS = 50
HISTORY_SECONDS_MAX = 600


def missing(programs, native=False):
    wanted = [*programs, *(["protoc", "grpc_cpp_plugin"] if native else [])]
    lacking = [program for program in wanted if shutil.which(program) is None]
    if native and subprocess.run(["pkg-config", "--exists", "grpc++", "protobuf"], check=False).returncode != 0:
        lacking.append("libgrpc++-dev")
    return lacking


def install(programs, native=False):
    lacking = missing(programs, native)
    if lacking:
        print(f"not here: {', '.join(lacking)}", flush=True)
        done = subprocess.run([ROOT / "apps" / "install-packages", "compare"], check=False)
        check(done.returncode == 0 and not missing(programs, native), "run apps/install-packages compare")


def build(folder, name):
    """Builds the load `name` of this folder in the build folder that `folder`, its apps, is part of."""
    top, target = folder.parent, f"tests/compare/{name}"
    check((top / "build.ninja").exists(), f"{top} is no build folder, in which {name} could be built")
    source = json.loads((top / "meson-info" / "meson-info.json").read_text())["directories"]["source"]
    check(pathlib.Path(source).resolve() == ROOT, f"{top} builds {source}, which is not {ROOT}")
    if target not in (top / "build.ninja").read_text():  # set up before it, or before its libraries were here
        done = run(["meson", "setup", "--reconfigure", top, ROOT], timeout=600)
        check(done.returncode == 0, f"meson: {done.stdout}{done.stderr}")
    done = run(["ninja", "-C", top, target], timeout=1800)
    check(done.returncode == 0, f"ninja: {done.stdout}{done.stderr}")
    return top / target


def last_json(done, what):
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise Failure(f"{what}: status {done.returncode}: {done.stdout}{done.stderr}")
    return json.loads(lines[-1])


def wrk(system, address, op, clients, seconds, *, keys=KEYS, value_size=VALUE_SIZE, made="before", count=None):
    """The last word of load.lua. With `count` it ends with so many replies, and before that with nothing."""
    threads = 2 if clients % 2 == 0 and count is None else 1
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "--timeout", "5s", "--latency", "-s", SCRIPT,
               address, "--", system, op, keys, value_size, made, *([count] if count else [])]
    result = last_json(run(command, timeout=seconds + 60), "wrk")
    result["told"] = base64.b64decode(result["told"]).decode(errors="replace")
    return result


def native(program, address, op, clients, seconds):
    command = [program, address.removeprefix("http://"), "--op", op, "--clients", clients, "--seconds", seconds,
               "--keys", KEYS, "--value-size", VALUE_SIZE, "--threads", min(2, clients)]
    return last_json(run(command, timeout=seconds + 60), "etcd_load")


def client_cpu_seconds():
    """Of all programs that were waited for: the nodes are not until the end of their turn."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(cluster, send, seconds):
    """What `send(address, seconds)` says of a load at the leader, after a second of it to warm up, and what it took of
    all. Asks for the leader anew: another may lead since."""
    leader = nodes.wait_leader(cluster)
    send(leader, WARM_UP_SECONDS)
    nodes_before, client_before = nodes.cpu_seconds(cluster), client_cpu_seconds()
    result = send(leader, seconds)
    nodes.check_running(cluster)
    thousands = max(result["ok"], 1) / 1000
    result["cpu_per_1000"] = (nodes.cpu_seconds(cluster) - nodes_before) / thousands
    result["client_cpu_per_1000"] = (client_cpu_seconds() - client_before) / thousands
    return result


def fill(cluster, count, clients=64, **load):
    """So many PUTs at the leader over all keys, one key after the other."""
    result = wrk(cluster.name, nodes.wait_leader(cluster), "put", clients, FILL_SECONDS_MAX, count=count, **load)
    check(result.get("ok") == count and result["errors"] == 0, f"{cluster.name}: filling it: {result}")


def history(build, cluster, clients, seconds):
    """What `vesper-sim check` says of the history of that many clients of vesper, who put and get at the leader a few
    keys that all of them share: its last line, and the number of operations if they are linearizable, else None."""
    path = os.path.join(tempfile.gettempdir(), f"{cluster.name}-{clients}.jsonl")
    done = run([build / "vesperctl", "bench", nodes.wait_leader(cluster), "--op", "mixed", "--clients", clients,
                "--seconds", seconds, "--keys", HISTORY_KEYS, "--history", path], timeout=seconds + 60)
    check(done.returncode == 0, f"vesperctl bench: {done.stdout}{done.stderr}")
    judged = run([build / "vesper-sim", "check", path], timeout=HISTORY_SECONDS_MAX)
    os.unlink(path)
    told = (judged.stdout + judged.stderr).strip().splitlines()[-1]
    passed = re.fullmatch(r"PASS .* operations=(\d+)", told) if judged.returncode == 0 else None
    return told, int(passed[1]) if passed else None


class Writer(threading.Thread):
    """Writes a block and syncs it when told, and says when it began and when it was done."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.pwrite(self.file, bytes(BLOCK * SAMPLES), 0)  # room that is written takes no more of the file system
        os.fsync(self.file)
        self.go, self.done, self.times = threading.Semaphore(0), threading.Semaphore(0), []

    def run(self):
        for number in range(SAMPLES):
            self.go.acquire()
            begin = time.perf_counter()
            os.pwrite(self.file, bytes([number % 255 + 1]) * BLOCK, BLOCK * number)
            os.fdatasync(self.file)
            self.times.append((begin, time.perf_counter()))
            self.done.release()
        os.close(self.file)


def disk_ms(nodes, needed):
    """Median over SAMPLES of the time in which `needed` of so many writers at once have written and synced a block."""
    with tempfile.TemporaryDirectory() as folder:
        writers = [Writer(os.path.join(folder, str(number))) for number in range(nodes)]
        for writer in writers:
            writer.start()
        for _ in range(SAMPLES):
            for writer in writers:
                writer.go.release()
            for writer in writers:
                writer.done.acquire()
        for writer in writers:
            writer.join()
        took = []
        for times in zip(*(writer.times for writer in writers)):
            took.append(sorted(end for _, end in times)[needed - 1] - min(begin for begin, _ in times))
        return 1000 * statistics.median(took)
