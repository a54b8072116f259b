"""vesperctl cluster: it runs until it is told to end, takes its nodes with it, and says at once why it cannot run."""

import os
import re
import shutil
import signal
import socket
import time

from harness import Cluster, check, check_equal, free_ports, main, run, wait_for

# A cluster that cannot be is told long before the patience for an election ends.
AT_ONCE_SECONDS = 5


def end_of_cluster(process, number):
    process.send_signal(number)
    start = time.monotonic()
    process.wait(timeout=10)
    return time.monotonic() - start


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def ignores(pid, number):
    with open(f"/proc/{pid}/status") as status:
        ignored = next(line for line in status if line.startswith("SigIgn:")).split()[1]
    return int(ignored, 16) >> (number - 1) & 1


class RunCluster:
    """vesperctl cluster, with what it says."""

    def __init__(self, cluster, folder, *options):
        self.out = os.path.join(cluster.dir, f"said-{len(cluster.others)}")
        with open(self.out, "w") as out:
            self.process = cluster.spawn(
                [cluster.programs.vesperctl, "cluster", "--nodes", "3", "--dir", folder, *options],
                stdout=out, stderr=out)
        wait_for(lambda: "try:" in self.said() or self.process.poll() is not None, 15, "it is up")
        self.pids = [int(pid) for pid in re.findall(r"pid (\d+)", self.said())]
        self.addresses = re.findall(r"http://127\.0\.0\.1:\d+", self.said())[:3]

    def said(self):
        with open(self.out) as file:
            return file.read()


def cluster_runs_until_it_is_told_to_end(programs):
    with Cluster(programs, nodes=1) as place:
        folder = os.path.join(place.dir, "local")
        for count, number in enumerate((signal.SIGINT, signal.SIGTERM)):
            local = RunCluster(place, folder)
            check_equal(len(local.pids), 3, f"three nodes: {local.said()}")
            command = re.search(r'vesperctl (http://\S+) (\S+) "(.*)"', local.said())
            check(command, f"a first command to try: {local.said()}")
            done = run([programs.vesperctl, *command.groups()])
            check_equal(done.returncode, 0, f"the first command: {done}")
            check(ignores(local.process.pid, signal.SIGPIPE), "a node that ends must not end it")
            at = local.addresses[0]
            if count == 1:
                done = run([programs.vesperctl, at, "kept"])
                check_equal(done.returncode, 0, f"the same cluster again: {done}")
            check_equal(run([programs.vesperctl, at, "kept", "1"]).returncode, 0, "PUT")
            check(end_of_cluster(local.process, number) < 3, "it ends soon")
            check_equal(local.process.returncode, 0, "its exit status")
            check(not any(alive(pid) for pid in local.pids), "no node is left")


def cluster_says_when_a_node_dies_and_restarts_none(programs):
    with Cluster(programs, nodes=1) as place:
        local = RunCluster(place, os.path.join(place.dir, "local"))
        os.kill(local.pids[1], signal.SIGKILL)
        wait_for(lambda: f"pid {local.pids[1]}) was ended by signal 9" in local.said(), 3,
                 "the death is told")
        time.sleep(0.5)
        done = run([programs.vesperctl, "status", local.addresses[0]])
        check("unreachable" in done.stdout, f"nothing was restarted: {done.stdout}")
        local.process.kill()
        local.process.wait()
        wait_for(lambda: not any(alive(pid) for pid in local.pids), 3,
                 "the nodes end with a vesperctl that was killed")


def refused(programs, folder, *options):
    """What vesperctl cluster says when it ends by itself, which it must at once."""
    start = time.monotonic()
    done = run([programs.vesperctl, "cluster", "--nodes", "3", "--dir", folder, *options])
    took = time.monotonic() - start
    check_equal(done.returncode, 1, f"the exit status: {done}")
    check(took < AT_ONCE_SECONDS, f"it took {took:.1f} s: {done}")
    check("leads" not in done.stdout, f"nobody leads: {done}")
    return done.stderr


def a_cluster_that_cannot_be_ends_at_once_and_leaves_no_list(programs):
    port = free_ports(2)[1]
    with Cluster(programs, nodes=3) as place, socket.create_server(("127.0.0.1", port)):
        folder = os.path.join(place.dir, "local")
        ip_list = os.path.join(folder, "ip_list.txt")
        said = refused(programs, folder, "--vesperd", "/nonexistent")
        check("/nonexistent: No such file" in said, f"the last line of a log: {said}")
        check(not os.path.exists(ip_list), "no list of a cluster that was never formed")
        said = refused(programs, folder, "--base-port", str(port - 1))
        check(f"127.0.0.1:{port}" in said and "in use" in said, f"the port is named: {said}")
        check(not os.path.exists(ip_list), "no list when a port is taken")
        with open(os.path.join(folder, "n1"), "w"):
            pass
        said = refused(programs, folder)
        check("n1" in said and "Not a directory" in said, f"one node that cannot run: {said}")
        check(not os.path.exists(ip_list), "no list when one node cannot run")
        os.remove(os.path.join(folder, "n1"))
        local = RunCluster(place, folder)
        check("leads" in local.said(), f"then it runs: {local.said()}")


def another_cluster_on_its_ports_is_not_taken_for_its_own(programs):
    with Cluster(programs, nodes=3) as place:
        first = RunCluster(place, os.path.join(place.dir, "first"))
        second = os.path.join(place.dir, "second")
        os.mkdir(second)
        shutil.copy(os.path.join(place.dir, "first", "ip_list.txt"), second)
        said = refused(programs, second)
        check(first.addresses[0].removeprefix("http://") in said and "in use" in said, said)
        check(os.path.exists(os.path.join(second, "ip_list.txt")), "a list that was there stays")


def most_of_an_old_cluster_is_enough_and_less_ends_at_once(programs):
    with Cluster(programs, nodes=3) as place:
        folder = os.path.join(place.dir, "local")
        check_equal(end_after_start(place, folder), 0, "a new cluster")
        for node, is_enough in ((2, True), (1, False)):
            shutil.rmtree(os.path.join(folder, f"n{node}"))
            with open(os.path.join(folder, f"n{node}"), "w"):
                pass
            if is_enough:
                check_equal(end_after_start(place, folder), 0, "with two of three")
            else:
                check("Not a directory" in refused(programs, folder), "with one of three")
        check(os.path.exists(os.path.join(folder, "ip_list.txt")), "the list of an old cluster stays")


def end_after_start(place, folder):
    local = RunCluster(place, folder)
    check("leads" in local.said(), f"it runs: {local.said()}")
    end_of_cluster(local.process, signal.SIGTERM)
    return local.process.returncode


def comments_and_blank_lines_of_its_list_are_skipped(programs):
    with Cluster(programs, nodes=3) as place:
        folder = os.path.join(place.dir, "local")
        local = RunCluster(place, folder)
        end_of_cluster(local.process, signal.SIGTERM)
        file = os.path.join(folder, "ip_list.txt")
        with open(file, "w") as out:
            out.write("# ours\n\n" + "\n  # and\n".join(local.addresses) + "\n\n")
        again = RunCluster(place, folder)
        check_equal(again.addresses, local.addresses, "the same nodes")
        check_equal(len(again.pids), 3, f"three nodes: {again.said()}")


main([
    cluster_runs_until_it_is_told_to_end,
    cluster_says_when_a_node_dies_and_restarts_none,
    a_cluster_that_cannot_be_ends_at_once_and_leaves_no_list,
    another_cluster_on_its_ports_is_not_taken_for_its_own,
    most_of_an_old_cluster_is_enough_and_less_ends_at_once,
    comments_and_blank_lines_of_its_list_are_skipped,
])
