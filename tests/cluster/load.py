"""Clients beside a test: vesperctl bench, and the history that it leaves, judged by the simulator's own
linearizability check."""

import json
import os
import subprocess
import time

from harness import check, check_equal, run

KEYS = 300


class Load:
    """vesperctl bench beside the test, and the history that it leaves."""

    def __init__(self, cluster, seconds, op="mixed", clients=8):
        self.cluster = cluster
        self.file = os.path.join(cluster.dir, "history")
        leader = cluster.wait_leader()
        at = cluster.addresses[next((node for node in cluster.up() if node != leader), leader)]
        self.process = cluster.spawn(
            [cluster.programs.vesperctl, "bench", at, "--clients", str(clients), "--seconds",
             str(seconds), "--op", op, "--value-size", "100", "--keys", str(KEYS), "--json",
             "--history", self.file],
            stdout=subprocess.PIPE, text=True)

    def finish(self):
        out, _ = self.process.communicate(timeout=90)
        check_equal(self.process.returncode, 0, f"bench's exit status: {out}")
        self.result = json.loads(out)
        with open(self.file) as file:
            self.history = [json.loads(line) for line in file]
        done = sum(operation["outcome"] == "ok" for operation in self.history)
        check_equal(done, self.result["ok"], "operations done, by the history and by the bench's count")
        check(done > 0, f"there was load: {self.result}")
        return self.result

    def longest_gap(self):
        """In seconds, from one operation that was done to the next, over all clients."""
        ends = sorted(operation["end"] for operation in self.history if operation["outcome"] == "ok")
        return max(later - earlier for earlier, later in zip(ends, ends[1:])) / 1e9

    def read_every_key(self):
        """Reads all keys now, as the next operations of one more client."""
        keys = sorted({operation["key"] for operation in self.history if operation["op"] == "put"})
        client = 1 + max(operation["client"] for operation in self.history)
        for key in keys:
            start = time.monotonic_ns()
            reply = self.cluster.get_until_answered(key)
            value = json.dumps(reply.json["payload"]["value"]) if reply.code == "success" else None
            self.history.append({"client": client, "op": "get", "key": key, "value": value,
                                 "start": start, "end": time.monotonic_ns(), "outcome": "ok"})
        return len(keys)

    def judge(self, expected="PASS"):
        file = self.file + "-judged"
        with open(file, "w") as out:
            out.writelines(json.dumps(operation) + "\n" for operation in self.history)
        done = run([self.cluster.programs.vesper_sim, "check", file], timeout=50)
        last = done.stdout.splitlines()[-1] if done.stdout else done.stderr
        check(last.startswith(expected), f"{expected} was expected: {done.stdout}{done.stderr}")
        check_equal(done.returncode, 0 if expected == "PASS" else 1, "the check's exit status")
