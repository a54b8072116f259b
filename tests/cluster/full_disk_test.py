"""Full disks on a real cluster, each node on a small file system of its own: a tmpfs, and an ext4 on a loop device.
Client writes are refused with a clear error, reads and elections go on, a leader alone with a full disk hands over,
writes resume when there is room, without a restart, and nothing that was acknowledged is lost.

The tests run in a mount namespace of their own, so that every mount is gone with them, however they end. Where that
cannot be had, or a kind of file system cannot be mounted, they are skipped, and say so."""

import os
import subprocess
import sys
import time

from harness import Cluster, check, check_equal, main, put, run, wait_for

IN_NAMESPACE = "VESPER_TEST_MOUNTS"
# Of 1 MiB segments: a quarter of one is the reserve.
OPTIONS = ["--segment-size", "1", "--snapshot-size", "1024"]
MIB = 1024 * 1024
SIZE = 24 * MIB
VALUE = "x" * 8000


class Skipped(Exception):
    """No such file system can be mounted here."""


def mount(kind, where, image):
    os.makedirs(where)
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "vesper-test", where]
    else:
        with open(image, "wb") as file:
            file.truncate(SIZE)
        made = run(["mkfs.ext4", "-q", "-m", "0", image])
        if made.returncode != 0:
            raise Skipped(made.stderr.strip())
        command = ["mount", "-o", "loop", image, where]
    done = run(command)
    if done.returncode != 0:
        raise Skipped(done.stderr.strip())


class SmallCluster(Cluster):
    """Five nodes, each on a file system that can be filled."""

    def __init__(self, programs, kind):
        super().__init__(programs)
        self.kind = kind
        self.acknowledged = {}
        self.mounted = []

    def __enter__(self):
        try:
            for node in range(len(self.addresses)):
                where = os.path.join(self.dir, f"disk-{node}")
                mount(self.kind, where, where + ".image")
                self.mounted.append(where)
        except BaseException:
            self.__exit__(None)
            raise
        return self

    def __exit__(self, kind, *rest):
        for process in list(self.processes.values()):
            if process.poll() is None:
                process.kill()
                process.wait()
        for where in self.mounted:
            run(["umount", where])
        super().__exit__(kind, *rest)

    def data_dir(self, node):
        return os.path.join(self.dir, f"disk-{node}", "data")

    def start_all(self):
        for node in range(len(self.addresses)):
            self.start(node, *OPTIONS)
        return self.wait_settled()

    def ballast(self, node):
        return os.path.join(self.dir, f"disk-{node}", "ballast")

    def fill(self, node):
        """Takes all that is left."""
        with open(self.ballast(node), "wb", buffering=0) as file:
            for size in (MIB, 4096, 512, 1):
                try:
                    while file.write(b"b" * size):
                        pass
                except OSError:
                    pass

    def empty(self, node):
        os.remove(self.ballast(node))

    def put_until_refused(self, seconds=30.0):
        """Puts at whoever leads; the reply of a node that says that its disk is full."""
        end = time.monotonic() + seconds
        while True:
            check(time.monotonic() < end, "a put is refused")
            found = self.leader_now()
            if not found:
                time.sleep(0.02)
                continue
            key = f"key {len(self.acknowledged)}"
            reply = put(self.addresses[found[0]], key, VALUE)
            if reply.status == 507:
                return reply
            if reply.code == "success":
                self.acknowledged[key] = VALUE

    def check_all_there(self):
        check(len(self.acknowledged) > 20, f"there was something to lose: {len(self.acknowledged)}")
        for key, value in self.acknowledged.items():
            reply = self.get_until_answered(key)
            check_equal(reply.json["payload"]["value"], value, key)

    def put_counted(self, key, value):
        self.put_done(key, value)
        self.acknowledged[key] = value


def all_disks_are_full_then_have_room(programs, kind):
    with SmallCluster(programs, kind) as cluster:
        cluster.start_all()
        cluster.put_counted("before", 1)
        for node in range(5):
            cluster.fill(node)

        refused = cluster.put_until_refused()

        check_equal(refused.json["code"], "fail", "the refusal's code")
        check("disk is full" in refused.json["error"], f"it says why: {refused}")
        check_equal(refused.outcome, "rejected", "what the refusal promises")
        # Nobody stopped, everybody says so, and reads go on.
        for node in range(5):
            check(cluster.status(node)["disk_full"], f"node {node}: {cluster.status(node)}")
        check_equal(cluster.get_until_answered("before").json["payload"]["value"], 1, "a read")
        said = run([programs.vesperctl, "status", cluster.addresses[0]]).stdout
        check_equal(said.count("disk full"), 5, f"vesperctl status: {said}")
        # So does an election, and a node that starts on a full disk.
        pids = {node: cluster.status(node)["pid"] for node in range(5)}
        old = cluster.wait_leader()
        term = cluster.status(old)["term"]
        cluster.kill(old)
        leader = cluster.wait_leader()
        check(cluster.status(leader)["term"] > term, "a later term")
        check_equal(cluster.get_until_answered("before").json["payload"]["value"], 1, "a read after the election")
        cluster.start(old, *OPTIONS)
        pids[old] = wait_for(lambda: cluster.status(old), 10, "it is back")["pid"]
        wait_for(lambda: (cluster.status(old) or {}).get("leader") is not None, 10, "it follows")
        check_equal(cluster.put_until_refused().status, 507, "writes are refused still")

        for node in range(5):
            cluster.empty(node)

        cluster.put_until_done("after", 2, seconds=10)
        cluster.acknowledged["after"] = 2
        for number in range(300):  # more than a segment
            cluster.put_counted(f"more {number}", VALUE)
        wait_for(lambda: not any(cluster.status(node)["disk_full"] for node in range(5)), 10, "all have room")
        check_equal({node: cluster.status(node)["pid"] for node in range(5)}, pids, "the processes")
        cluster.check_all_there()


def a_leader_alone_with_a_full_disk_hands_over(programs, kind):
    with SmallCluster(programs, kind) as cluster:
        leader = cluster.start_all()
        cluster.fill(leader)
        number = 0

        def another_leads():
            nonlocal number
            for _ in range(20):
                cluster.put_until_done(f"key {number}", VALUE, seconds=10)
                cluster.acknowledged[f"key {number}"] = VALUE
                number += 1
            return cluster.wait_leader() != leader

        wait_for(another_leads, 60, "another node leads")
        check(cluster.status(leader)["disk_full"], "the old leader says that its disk is full")
        for _ in range(10):
            another_leads()
        cluster.empty(leader)
        now = cluster.wait_leader()
        wait_for(lambda: cluster.status(leader)["applied"] >= cluster.status(now)["commit"], 20, "it catches up")
        check(not cluster.status(leader)["disk_full"], "the old leader has room")
        cluster.check_all_there()


def skipping(test, kind):
    def skipped_or_run(programs):
        try:
            test(programs, kind)
        except Skipped as why:
            print(f"SKIPPED {test.__name__}: no {kind} can be mounted here: {why}", flush=True)
    skipped_or_run.__name__ = f"{test.__name__}_on_{kind}"
    return skipped_or_run


def in_namespace():
    if os.environ.get(IN_NAMESPACE):
        return True
    command = ["unshare", "--mount", "--propagation", "private"]
    try:
        possible = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
        why = possible.stderr.strip()
        if possible.returncode == 0:
            os.environ[IN_NAMESPACE] = "1"
            os.execvp(command[0], [*command, sys.executable, *sys.argv])
    except OSError as error:
        why = str(error)
    print(f"SKIPPED all tests of full disks: no mount namespace can be had here: {why}", flush=True)
    return False


if __name__ == "__main__":
    if in_namespace():
        main([skipping(test, kind)
              for test in (all_disks_are_full_then_have_room, a_leader_alone_with_a_full_disk_hands_over)
              for kind in ("tmpfs", "ext4")])
