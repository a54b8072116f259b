"""Nodes that die, stop and come back under load: a new leader serves soon, nothing acknowledged is lost, nobody
reads the past. The clients' history is judged by the simulator's own linearizability check."""

import contextlib
import json
import os
import shutil
import signal
import socket
import time

from harness import Cluster, check, check_equal, get, main, median, put, run, wait_for
from load import Load

# The default election timeouts, and then some: what the users were promised. One of several samples may meet a
# split vote, or a machine that is slow for a moment.
SERVES_AGAIN_SECONDS = 2.0
SERVES_AGAIN_SECONDS_MAX = 5.0


def serves_again(took):
    print("     served again after", ", ".join(f"{seconds:.2f}" for seconds in took), "s")
    check(median(took) < SERVES_AGAIN_SECONDS, f"served again only after {took} s")
    check(max(took) < SERVES_AGAIN_SECONDS_MAX, f"served again only after {took} s")


def kill_9_of_the_leader_under_load(programs):
    with Cluster(programs) as cluster:
        leader = cluster.start_all()
        load = Load(cluster, seconds=12)
        time.sleep(1)
        took = []
        for _ in range(3):
            leader = cluster.wait_settled()
            cluster.kill(leader)
            took.append(cluster.put_until_done("after", "the kill"))
            check(cluster.wait_leader() != leader, "another node leads")
            time.sleep(0.5)
            cluster.start(leader)
        print(f"     {load.finish()}")
        serves_again(took)
        check(load.read_every_key() > 0, "keys were written")
        load.judge()


def the_check_would_notice_a_lost_write(programs):
    with Cluster(programs, nodes=3) as cluster:
        cluster.start_all()
        load = Load(cluster, seconds=1, op="put")
        load.finish()
        load.read_every_key()
        load.judge()
        acknowledged = {operation["key"] for operation in load.history
                        if operation["op"] == "put" and operation["outcome"] == "ok"}
        lost = next(operation for operation in reversed(load.history)
                    if operation["key"] in acknowledged)
        lost["value"] = None
        load.judge(expected="FAIL")


def kill_9_of_all_five_and_restart(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        load = Load(cluster, seconds=8)
        time.sleep(3)
        for node in range(5):
            cluster.processes[node].kill()  # all before any is waited for
        for node in range(5):
            cluster.kill(node)
        time.sleep(0.5)
        start = time.monotonic()
        cluster.start_all()
        cluster.put_until_done("after", "the restart")
        print(f"     served {time.monotonic() - start:.2f} s after the restart")
        load.finish()
        check(load.read_every_key() > 0, "keys were written")
        load.judge()


def kill_9_again_and_again(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        load = Load(cluster, seconds=14)
        for _ in range(4):
            time.sleep(1)
            leader = cluster.wait_leader()
            cluster.kill(leader)
            cluster.put_until_done("after", "a kill")
            cluster.start(leader)
        load.finish()
        load.read_every_key()
        load.judge()


def a_stopped_leader_that_goes_on_reads_no_past(programs):
    with Cluster(programs) as cluster:
        old = cluster.start_all()
        at = cluster.addresses[old]
        took = []
        for count in range(5):
            before = f"before {count}"
            cluster.put_until_done("k", before)
            old = cluster.wait_settled()
            at = cluster.addresses[old]
            cluster.pause(old)
            took.append(cluster.put_until_done("k", f"after {count}"))
            cluster.resume(old)
            for _ in range(20):
                reply = get(at, "k")
                value = (reply.json.get("payload") or {}).get("value")
                check(value in (None, f"after {count}"), f"the past was read: {reply}")
                # A fail must not look like an absent key either.
                check(value or reply.message or reply.outcome, f"a key that is there: {reply}")
        serves_again(took)


def a_stopped_leader_that_believes_in_itself_answers_no_waiting_read(programs):
    """With equal timeouts a leader that wakes up sees by its own clock that it lost its majority. This one is
    more patient than its followers: it still takes itself for the leader, and the reads wait in its sockets."""
    patient = ("--election-timeout-min", "4000", "--election-timeout-max", "4500")
    with Cluster(programs, nodes=3) as cluster:
        cluster.start(0, *patient)
        for node in (1, 2):
            cluster.start(node, "--election-timeout-min", "20000", "--election-timeout-max", "30000")
        check_equal(cluster.wait_leader(seconds=15), 0, "the leader")
        for node in (1, 2):
            cluster.kill(node)
            cluster.start(node)
            check_equal(cluster.wait_settled(), 0, "the leader of quicker followers")
        check_equal(put(cluster.addresses[0], "k", "before").code, "success", "PUT before")
        cluster.pause(0)
        waiting = [send_read(cluster.addresses[0], "k") for _ in range(16)]
        cluster.put_until_done("k", "after")
        cluster.resume(0)
        for connection in waiting:
            with connection:
                answer = connection.recv(65536).decode()
            check("before" not in answer, f"the past was read: {answer}")
            check('"code"' in answer, f"an answer came: {answer}")


def send_read(address, key):
    """A connection on which a GET was sent whose answer is still to be read."""
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"payload": {"key": key}})
    connection = socket.create_connection((host, int(port)), timeout=5)
    connection.sendall((f"GET /request HTTP/1.1\r\nHost: {host}\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
    return connection


def a_stopped_leader_under_load(programs):
    with Cluster(programs) as cluster:
        leader = cluster.start_all()
        load = Load(cluster, seconds=12)
        time.sleep(1)
        took = []
        for _ in range(3):
            leader = cluster.wait_leader()
            cluster.pause(leader)
            took.append(cluster.put_until_done("after", "the stop"))
            time.sleep(0.5)
            cluster.resume(leader)
            time.sleep(0.5)
        load.finish()
        serves_again(took)
        load.read_every_key()
        load.judge()


def two_of_five_down_then_three(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        cluster.put_until_done("k", "five")
        for count in range(2):
            cluster.kill(cluster.wait_leader())
            cluster.put_until_done("k", f"{4 - count} are up")
        dead = [node for node in range(5) if node not in cluster.processes]
        cluster.kill(cluster.wait_leader())
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for node in cluster.up():
                check_equal(put(cluster.addresses[node], "k", "two").code, "fail", "PUT with two")
                check_equal(get(cluster.addresses[node], "k").code, "fail", "GET with two")
        cluster.start(dead[0])
        value = cluster.get_until_answered("k").json["payload"]["value"]
        check(value in ("3 are up", "two"), f"with three again: {value}")


def sigterm_ends_a_node_within_a_second(programs):
    with Cluster(programs) as cluster:
        leader = cluster.start_all()
        load = Load(cluster, seconds=4)
        time.sleep(1)
        for node in (leader, cluster.follower_of(leader)):
            start = time.monotonic()
            status = cluster.terminate(node)
            took = time.monotonic() - start
            check_equal(status, 0, "the exit status after SIGTERM")
            check(took < 1, f"SIGTERM took {took:.2f} s")
            cluster.put_until_done("after", "SIGTERM")
        load.finish()
        load.judge()
        for node in cluster.up():
            process = cluster.processes[node]
            process.send_signal(signal.SIGINT)
            check_equal(process.wait(timeout=2), 0, "the exit status after SIGINT")


# A disk whose syncs take three seconds while a file is there.
SLOW_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int slowly(const char* name, int fd) {
  if (access(getenv("VESPER_TEST_SLOW_DISK"), F_OK) == 0) sleep(3);
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}
int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
"""


def slow_disk(cluster):
    """The environment of a node with such a disk, and the file; nothing without a C compiler."""
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if not compiler:
        return None
    source, library, is_slow = (os.path.join(cluster.dir, name) for name in ("slow.c", "slow.so", "slow"))
    with open(source, "w") as file:
        file.write(SLOW_DISK)
    done = run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"])
    check_equal(done.returncode, 0, f"{compiler}: {done.stderr}")
    return {"LD_PRELOAD": library, "VESPER_TEST_SLOW_DISK": is_slow}, is_slow


def touch(file):
    with open(file, "w"):
        pass


def sigterm_takes_no_longer_on_a_slow_disk(programs):
    with Cluster(programs, nodes=1) as cluster:
        found = slow_disk(cluster)
        if not found:
            print("     no C compiler: a slow disk was not tried")
            return
        environment, is_slow = found
        took = []
        for count in range(3):
            cluster.start(0, environment=environment)
            cluster.wait_leader()
            cluster.put_done(f"k{count}", "on disk")
            touch(is_slow)
            if count > 0:  # the first time idle; then with a put that waits for its sync
                with contextlib.suppress(OSError):
                    put(cluster.addresses[0], f"lost{count}", "not yet", timeout=0.2)
            took.append(seconds_to_end(cluster, "a node on a slow disk"))
            cluster.start(0, environment=environment)
            time.sleep(0.3)
            check(cluster.processes[0].poll() is None, "a start on a slow disk takes long")
            took.append(seconds_to_end(cluster, "a start on a slow disk"))
            os.remove(is_slow)
        # One sync takes three seconds; the machine may be slow for a moment too.
        check(median(took) < 1 and max(took) < 2, f"SIGTERM took {took} s")
        cluster.start(0)
        cluster.wait_leader()
        for count in range(3):
            value = cluster.get_until_answered(f"k{count}").json["payload"]["value"]
            check_equal(value, "on disk", "what was acknowledged is there")


def seconds_to_end(cluster, what):
    start = time.monotonic()
    check_equal(cluster.terminate(0), 0, f"the exit status of {what} after SIGTERM")
    took = time.monotonic() - start
    print(f"     SIGTERM ended {what} in {took:.2f} s")
    check("ended by a signal" in cluster.log(0).splitlines()[-1], f"it says so: {cluster.log(0)}")
    return took


def a_node_that_was_away_catches_up(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        away = cluster.follower_of(cluster.wait_settled())
        cluster.kill(away)
        for count in range(500):
            leader = cluster.put_done(f"k{count}", "x" * 1000)
        cluster.start(away)

        def caught_up():
            view, lead = cluster.status(away), cluster.status(leader)
            return view and lead and view["applied"] >= lead["commit"] and view["keys"] == 500
        wait_for(caught_up, 10, "the node applies what it missed")
        wait_for(lambda: (cluster.status(away) or {}).get("role") == "follower", 10, "it follows")


main([
    kill_9_of_the_leader_under_load,
    the_check_would_notice_a_lost_write,
    kill_9_of_all_five_and_restart,
    kill_9_again_and_again,
    a_stopped_leader_that_goes_on_reads_no_past,
    a_stopped_leader_that_believes_in_itself_answers_no_waiting_read,
    a_stopped_leader_under_load,
    two_of_five_down_then_three,
    sigterm_ends_a_node_within_a_second,
    sigterm_takes_no_longer_on_a_slow_disk,
    a_node_that_was_away_catches_up,
])
