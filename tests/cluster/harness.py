"""A real cluster on 127.0.0.1 for the tests of this folder: processes, requests, counted cases.

Every process that is started here is ended here, by its own id, whatever becomes of the test; and the
kernel ends it should the test itself be killed.
"""

import argparse
import contextlib
import ctypes
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PR_SET_PDEATHSIG = 1
# The documented client gives up after one second, the server before that.
ANSWER_SECONDS_MAX = 1.0
FIRST_PORT = 20000
PORTS = 10000
LIBC = ctypes.CDLL(None)


class Failure(Exception):
    """A check that did not hold."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def check_equal(found, expected, what):
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def flip(path, offset):
    """One bit of one byte."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count):
    """Ports that nobody has now, all held until the last is known. Below those that the system gives to connections:
    such a one could take a node's port while the node is down."""
    begin = random.randrange(PORTS)
    with contextlib.ExitStack() as held:
        ports = []
        for number in range(PORTS):
            port = FIRST_PORT + (begin + number) % PORTS
            with contextlib.suppress(OSError):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise Failure("no free ports")


def wait_for(condition, seconds, what):
    """Returns the first true value of condition(), asked every 20 ms."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.02)


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["code"]

    @property
    def message(self):
        return self.json.get("payload", {}).get("message")

    @property
    def outcome(self):
        return self.headers.get("Vesper-Outcome")

    def __repr__(self):
        return f"{self.status} {self.outcome} {self.body[:300]!r}"


def ask(address, method, path, body=None, headers=None, timeout=5.0):
    """One request on a connection of its own. `body`: bytes, text, or a value to send as JSON."""
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    host, port = address.removeprefix("http://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request(method, path, body, headers or {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return Reply(reply.status, dict(reply.getheaders()), reply.read().decode())
    finally:
        connection.close()


def get(address, key, timeout=5.0):
    return ask(address, "GET", "/request", {"type": "get", "payload": {"key": key}}, timeout=timeout)


def put(address, key, value, timeout=5.0):
    body = {"type": "put", "payload": {"key": key, "value": value}}
    return ask(address, "PUT", "/request", body, timeout=timeout)


class Cluster:
    """Five nodes, or another number; ids are the lines of ip_list, and beyond them those of nodes that joined, of
    which there may be as many as there are spare addresses."""

    def __init__(self, programs, nodes=5, spare=0):
        self.programs = programs
        self.dir = tempfile.mkdtemp(prefix="vesper-cluster-")
        addresses = [f"http://127.0.0.1:{port}" for port in free_ports(nodes + spare)]
        self.addresses, self.spare = addresses[:nodes], addresses[nodes:]
        self.founders = nodes
        self.voters = set(range(nodes))
        self.ip_list = os.path.join(self.dir, "ip_list.txt")
        with open(self.ip_list, "w") as file:
            file.write("\n".join(self.addresses))  # as the document's: no last newline
        self.processes = {}
        self.paused = set()
        self.others = []
        self.last_leader = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in list(self.processes.values()) + self.others:
            if process.poll() is None:
                process.kill()
                process.wait()
        if kind is not None:
            self.show_logs()
        shutil.rmtree(self.dir, ignore_errors=True)

    def data_dir(self, node):
        return os.path.join(self.dir, f"data-{node}")

    def files(self, node, suffix):
        """Of its data directory, by name and so by age."""
        folder = self.data_dir(node)
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(suffix)]

    def log_file(self, node):
        return os.path.join(self.dir, f"node-{node}.log")

    def log(self, node):
        with open(self.log_file(node), errors="replace") as file:
            return file.read()

    def show_logs(self):
        for node in range(len(self.addresses)):
            if os.path.exists(self.log_file(node)):
                print(f"--- the log of node {node} ends:")
                print("\n".join(self.log(node).splitlines()[-8:]))

    def start(self, node, *options, ip_list=None, data_dir=None, environment=None, join=None):
        """`join`: the addresses that a node that is no founder asks; those of all others that are up."""
        if node < self.founders and not join:
            place = [ip_list or self.ip_list]
        else:
            place = ["--join", ",".join(join or [self.addresses[other] for other in self.up()])]
        command = [self.programs.vesperd, str(node), *place,
                   "--data-dir", data_dir or self.data_dir(node), *options]
        with open(self.log_file(node), "a") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.dir,
                                       env={**os.environ, **(environment or {})},
                                       stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.processes[node] = process
        return process

    def start_all(self):
        for node in range(len(self.addresses)):
            self.start(node)
        return self.wait_leader()

    def kill(self, node):
        process = self.processes.pop(node)
        if node in self.paused:
            self.paused.remove(node)
        process.kill()
        process.wait()

    def terminate(self, node, seconds=5.0):
        process = self.processes.pop(node)
        process.terminate()
        return process.wait(timeout=seconds)

    def pause(self, node):
        """Returns when every thread of it has stopped: the signal alone takes a moment."""
        process = self.processes[node]
        process.send_signal(signal.SIGSTOP)
        self.paused.add(node)
        wait_for(lambda: thread_states(process.pid) == {"T"}, 5, f"node {node} stops")

    def resume(self, node):
        self.processes[node].send_signal(signal.SIGCONT)
        self.paused.discard(node)

    def spawn(self, command, **options):
        process = subprocess.Popen(command, preexec_fn=die_with_parent, **options)
        self.others.append(process)
        return process

    def up(self):
        return [node for node, process in sorted(self.processes.items())
                if node not in self.paused and process.poll() is None]

    def status(self, node):
        try:
            reply = ask(self.addresses[node], "GET", "/status", timeout=0.5)
            return reply.json if reply.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def leader_now(self):
        """The node of the highest term that says it leads, if a majority is up and follows it."""
        views = {node: view for node in self.up() if (view := self.status(node))}
        leaders = [(view["term"], node) for node, view in views.items() if view["role"] == "leader"]
        if not leaders:
            return None
        term, leader = max(leaders)
        following = sum(views[node]["term"] == term and views[node]["leader"] == leader
                        for node in views if node in self.voters)
        return (leader,) if 2 * following > len(self.voters) else None

    def wait_leader(self, seconds=10.0):
        return wait_for(self.leader_now, seconds, "a leader that a majority follows")[0]

    def wait_settled(self, seconds=10.0):
        """A leader that every node that is up follows."""
        def settled():
            found = self.leader_now()
            if not found:
                return None
            views = [self.status(node) for node in self.up()]
            return found if all(view and view["leader"] == found[0] for view in views) else None
        return wait_for(settled, seconds, "a leader that all nodes follow")[0]

    def follower_of(self, leader):
        return next(node for node in self.up() if node != leader)

    def put_done(self, key, value, send=put, seconds=10.0):
        """A put by whoever leads now; returns that node. Only one that can never take effect is repeated: of an
        election, which a slow machine may bring at any time, or at a leader that has lost its place."""
        end = time.monotonic() + seconds
        while True:
            if self.last_leader not in self.up():
                self.last_leader = self.wait_leader()
            reply = send(self.addresses[self.last_leader], key, value)
            if reply.json == {"code": "success"}:
                return self.last_leader
            check(reply.outcome == "rejected" and time.monotonic() < end, f"PUT {key}: {reply}")
            self.last_leader = None
            time.sleep(0.02)

    def put_until_done(self, key, value, seconds=5.0):
        """For a cluster that just lost its leader: any node that is up, again until it is done."""
        def tried():
            for node in self.up():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    if put(self.addresses[node], key, value, timeout=1.5).code == "success":
                        return True
            return False
        start = time.monotonic()
        wait_for(tried, seconds, f"a put of {key} that succeeds")
        return time.monotonic() - start

    def get_until_answered(self, key, seconds=5.0):
        """The reply of a leader: with the value, or fail for an absent key."""
        def tried():
            for node in self.up():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    reply = get(self.addresses[node], key, timeout=1.5)
                    if reply.code == "success" or (not reply.message and not reply.outcome):
                        return reply
            return None
        return wait_for(tried, seconds, f"an answer for {key}")


def thread_states(pid):
    states = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat") as stat:
            states.add(stat.read().rsplit(")", 1)[1].split()[0])
    return states


def run(command, timeout=30.0, **options):
    """A program to its end; returns its CompletedProcess with text output."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=timeout, preexec_fn=die_with_parent, **options)


def main(tests):
    """Runs the functions `tests`, each given the programs, and counts those that passed."""
    parser = argparse.ArgumentParser()
    for program in ("vesperd", "vesperctl", "vesper-sim"):
        parser.add_argument("--" + program, required=True, type=os.path.abspath)
    parser.add_argument("--runs", type=int, default=1, help="each test so often")
    parser.add_argument("names", nargs="*", help="only these tests")
    programs = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # cleans up on the way
    by_name = {test.__name__: test for test in tests}
    passed = failed = 0
    for name in [*(programs.names or by_name)] * programs.runs:
        start = time.monotonic()
        try:
            by_name[name](programs)
            passed += 1
            verdict = "ok  "
        except Exception:  # a test may fail in any way; the others still run
            traceback.print_exc(file=sys.stdout)
            failed += 1
            verdict = "FAIL"
        print(f"{verdict} {name} ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"counts: real-cluster tests: {passed}")
    sys.exit(1 if failed or not passed else 0)
