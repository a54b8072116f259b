"""Reads that no round of the leader's own confirms: at followers, by its read index, and by lease. Writers and readers
go on while leaders change, and the simulator's own check judges the history."""

import json
import os
import threading
import time

from harness import Cluster, ask, check, check_equal, main, median, put, run, wait_for

KEYS = 4


def get_at_follower(address, key, timeout=5.0):
    return ask(address, "GET", "/request?read=follower", {"payload": {"key": key}}, timeout=timeout)


class Clients:
    """Writers who go to whoever leads, and readers each of whom stays at one node."""

    def __init__(self, cluster, read_path):
        self.cluster = cluster
        self.read_path = read_path
        self.history = []
        self.took = []
        self.is_over = threading.Event()
        nodes = range(len(cluster.addresses))
        self.threads = [threading.Thread(target=self.write, args=(number,)) for number in range(3)]
        self.threads += [threading.Thread(target=self.read, args=(3 + number, number)) for number in nodes]
        for thread in self.threads:
            thread.start()

    def note(self, client, op, key, value, start, outcome):
        self.history.append({"client": client, "op": op, "key": key, "value": value, "start": start,
                             "end": time.monotonic_ns(), "outcome": outcome})

    def write(self, client):
        at = client
        for number in range(1_000_000):
            if self.is_over.is_set():
                return
            key, value = f"k{number % KEYS}", f"c{client}.{number}"
            start = time.monotonic_ns()
            try:
                reply = put(self.cluster.addresses[at], key, value, timeout=2)
            except ConnectionRefusedError:
                reply = None
                outcome = "fail"
            except OSError:
                reply = None
                outcome = "unknown"
            if reply is not None:
                outcome = {None: "ok", "rejected": "fail", "unknown": "unknown"}[reply.outcome]
            self.note(client, "put", key, json.dumps(value), start, outcome)
            if reply is not None and reply.message:
                at = self.cluster.addresses.index(reply.message)
            elif outcome != "ok":
                at = (at + 1) % len(self.cluster.addresses)
                time.sleep(0.02)

    def read(self, client, node):
        for number in range(1_000_000):
            if self.is_over.is_set():
                return
            key = f"k{number % KEYS}"
            start = time.monotonic_ns()
            try:
                reply = ask(self.cluster.addresses[node], "GET", self.read_path, {"payload": {"key": key}}, timeout=2)
            except OSError:
                time.sleep(0.02)
                continue
            if reply.outcome:
                time.sleep(0.01)
                continue
            value = json.dumps(reply.json["payload"]["value"]) if reply.code == "success" else None
            self.note(client, "get", key, value, start, "ok")
            self.took.append(time.monotonic_ns() - start)

    def judge(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        file = os.path.join(self.cluster.dir, "history")
        with open(file, "w") as out:
            out.writelines(json.dumps(operation) + "\n" for operation in self.history)
        done = run([self.cluster.programs.vesper_sim, "check", file], timeout=50)
        check_equal(done.returncode, 0, f"the check's exit status: {done.stdout}{done.stderr}")
        reads = sum(operation["op"] == "get" for operation in self.history)
        print(f"     {len(self.history) - reads} writes tried, {reads} reads, median "
              f"{median(self.took) / 1e6:.1f} ms: linearizable")
        return reads


def disturb(cluster):
    """Leaders that move, die, and are stopped for a while."""
    time.sleep(1)
    leader = cluster.wait_leader()
    check_equal(run([cluster.programs.vesperctl, "move-leader", cluster.addresses[leader]]).returncode, 0, "it moves")
    time.sleep(0.5)
    leader = cluster.wait_leader()
    cluster.pause(leader)
    time.sleep(2)
    cluster.resume(leader)
    time.sleep(0.5)
    leader = cluster.wait_leader()
    cluster.kill(leader)
    time.sleep(2)
    cluster.start(leader, *cluster.options)
    time.sleep(1)


def reads_at_followers_are_linearizable(programs):
    with Cluster(programs) as cluster:
        cluster.options = ()
        leader = cluster.start_all()
        follower = cluster.follower_of(leader)
        put(cluster.addresses[leader], "name", 0)
        for number in range(1, 51):
            check_equal(put(cluster.addresses[leader], "name", number).code, "success", "a put")
            read = get_at_follower(cluster.addresses[follower], "name")
            check_equal(read.json["payload"]["value"], number, "what a follower reads right after it")
        check_equal(get_at_follower(cluster.addresses[leader], "name").json["payload"]["value"], 50, "at the leader")
        check_equal(get_at_follower(cluster.addresses[follower], "nothing").outcome, None, "an absent key")
        by_ctl = run([programs.vesperctl, "get", "--follower", cluster.addresses[follower], "name"])
        check_equal(json.loads(by_ctl.stdout)["payload"]["value"], 50, "by vesperctl")
        check_equal(run([programs.vesperctl, "--follower", cluster.addresses[follower], "a", "b"]).returncode, 2,
                    "a put cannot be for a follower")
        check(cluster.status(follower)["follower_reads"] >= 52, f"counted: {cluster.status(follower)}")
        check_equal(ask(cluster.addresses[follower], "GET", "/request?read=x", {"payload": {"key": "k"}}).status, 400,
                    "another query")
        redirected = ask(cluster.addresses[follower], "GET", "/request", {"payload": {"key": "name"}})
        check_equal(redirected.message, cluster.addresses[leader], "a plain GET is redirected")

        clients = Clients(cluster, "/request?read=follower")
        disturb(cluster)
        check(clients.judge() > 500, "there was load")

        # A follower that hears no leader serves nobody.
        leader = cluster.wait_settled()
        for node in cluster.up():
            if node not in (leader, follower):
                cluster.kill(node)
        cluster.kill(leader) if leader != follower else None
        wait_for(lambda: get_at_follower(cluster.addresses[follower], "name").outcome == "rejected", 10,
                 "a follower alone answers no reads")


def reads_by_lease_are_linearizable(programs):
    with Cluster(programs) as cluster:
        cluster.options = ("--lease-reads", "--clock-drift", "20000")
        for node in range(5):
            cluster.start(node, *cluster.options)
        leader = cluster.wait_leader()
        put(cluster.addresses[leader], "name", 1)
        for _ in range(100):
            read = ask(cluster.addresses[leader], "GET", "/request", {"payload": {"key": "name"}})
            check_equal(read.json["payload"]["value"], 1, "a read by lease")
        check(cluster.status(leader)["lease_reads"] >= 90, f"counted: {cluster.status(leader)}")

        clients = Clients(cluster, "/request")
        disturb(cluster)
        check(clients.judge() > 500, "there was load")


main([
    reads_at_followers_are_linearizable,
    reads_by_lease_are_linearizable,
])
