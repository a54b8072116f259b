"""Snapshots on a real cluster: logs are cut, a follower that lacks what was cut gets a snapshot while the load goes
on, nodes come back from snapshot and log, and a session outlives both."""

import os
import time

from harness import Cluster, ask, check, check_equal, get, main, wait_for
from load import Load

# Of 1 MiB segments, so that a log of some thousand entries has several.
OPTIONS = ["--snapshot-entries", "2000", "--trailing-entries", "100", "--segment-size", "1"]
SEGMENTS_MAX = 6


def start_all(cluster):
    for node in range(len(cluster.addresses)):
        cluster.start(node, *OPTIONS)
    return cluster.wait_settled()


def fill(cluster, entries, seconds=30.0):
    """Puts until the leader's log has grown by so many entries."""
    leader = cluster.wait_settled()
    end = cluster.status(leader)["last"] + entries
    done = time.monotonic() + seconds
    while cluster.status(cluster.wait_leader())["last"] < end:
        check(time.monotonic() < done, f"{entries} entries within {seconds} s")
        load = Load(cluster, seconds=1, op="put", clients=32)
        load.finish()


def a_follower_dead_past_the_logs_beginning_gets_a_snapshot_under_load(programs):
    with Cluster(programs) as cluster:
        leader = start_all(cluster)
        dead = cluster.follower_of(leader)
        last = cluster.status(dead)["last"]
        cluster.kill(dead)
        fill(cluster, 5000)
        leader = cluster.wait_settled()
        check(cluster.status(leader)["base"] > last, "the leader's log begins after the dead follower's end")
        load = Load(cluster, seconds=6)
        cluster.start(dead, *OPTIONS)
        view = wait_for(lambda: (view := cluster.status(dead)) and view["restored"] > 0 and view, 5, "a snapshot")
        check(view["base"] > last, f"its log begins anew: {view}")
        load.finish()
        wait_for(lambda: cluster.status(dead)["applied"] >= cluster.status(leader)["commit"], 5, "it catches up")
        for node in range(5):
            count = len(cluster.files(node, ".log"))
            check(count <= SEGMENTS_MAX, f"node {node} keeps {count} segments")
            check_equal(len(cluster.files(node, ".snap")), 1, f"snapshots of node {node}")
        load.read_every_key()
        load.judge()


def all_come_back_from_snapshot_and_log_after_kill_9(programs):
    with Cluster(programs, nodes=3) as cluster:
        start_all(cluster)
        for number in range(20):
            cluster.put_done(f"early {number}", number)
        fill(cluster, 4500)
        for number in range(20):
            cluster.put_done(f"late {number}", number)
        for node in range(3):
            check(cluster.status(node)["snapshot"] > 20, f"node {node} has a snapshot")
        for node in range(3):
            cluster.kill(node)
        leader = start_all(cluster)
        for number in range(20):
            for when in ("early", "late"):
                reply = get(cluster.addresses[leader], f"{when} {number}")
                check_equal(reply.json["payload"]["value"], number, f"{when} {number}")
        for node in range(3):
            check("a snapshot to" in cluster.log(node), f"node {node} says that it began with its snapshot")


def a_put_retried_after_snapshot_and_restart_of_all_is_applied_once(programs):
    with Cluster(programs, nodes=3) as cluster:
        leader = start_all(cluster)
        reply = ask(cluster.addresses[leader], "POST", "/session", b"")
        client = reply.json["payload"]["client"]

        def put_once(number, value):
            headers = {"Content-Type": "application/json", "Idempotency-Key": f"{client}/{number}"}
            body = {"type": "put", "payload": {"key": "k", "value": value}}
            leader = cluster.wait_settled()
            return ask(cluster.addresses[leader], "PUT", "/request", body, headers)

        check_equal(put_once(1, "first").json, {"code": "success"}, "the first")
        check_equal(put_once(2, "second").json, {"code": "success"}, "the second")
        fill(cluster, 4500)
        for node in range(3):
            cluster.kill(node)
        leader = start_all(cluster)
        check(cluster.status(leader)["base"] > client + 2, "no log holds the session's entries any more")
        check_equal(put_once(1, "first").json, {"code": "success"}, "the first, retried")
        check_equal(get(cluster.addresses[leader], "k").json["payload"]["value"], "second", "the value")
        check_equal(put_once(1, "other").status, 409, "another value under the first's number")


if __name__ == "__main__":
    main([a_follower_dead_past_the_logs_beginning_gets_a_snapshot_under_load,
          all_come_back_from_snapshot_and_log_after_kill_9,
          a_put_retried_after_snapshot_and_restart_of_all_is_applied_once])
