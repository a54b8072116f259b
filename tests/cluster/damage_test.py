"""Damaged disks of a real cluster: a flipped byte of a log or a snapshot is found at the next start, its node comes
back in doubt, is repaired by the others while load goes on, and then carries a majority. Where too few are intact
nothing is answered wrongly, and what is lost is said."""

import hashlib
import os

from harness import Cluster, check, check_equal, flip, main, put, run, wait_for
from load import Load

OPTIONS = ["--snapshot-entries", "2000", "--trailing-entries", "100", "--segment-size", "1"]


def start_all(cluster):
    for node in range(len(cluster.addresses)):
        cluster.start(node, *OPTIONS)
    return cluster.wait_settled()


def flip_first_record(cluster, node):
    """Of the oldest segment: behind its two header sectors and the group's head."""
    path = cluster.files(node, ".log")[0]
    flip(path, 1024 + 40)
    return os.path.basename(path)


def repaired(cluster, node):
    view = cluster.status(node)
    return view and view["doubt"] is None and view["applied"] > 0 and view


def comes_back_in_doubt_and_is_repaired(cluster, node, file):
    cluster.start(node, *OPTIONS)
    wait_for(lambda: f"in doubt about its log: {file} at offset" in cluster.log(node), 5, "it says what it lost")
    wait_for(lambda: "in doubt about its log: over" in cluster.log(node), 20, "its doubt ends")
    wait_for(lambda: repaired(cluster, node), 5, "it has applied what was committed")
    doubt = os.path.join(cluster.data_dir(node), "doubt")
    wait_for(lambda: not os.path.exists(doubt), 5, "its file goes")


def a_flipped_record_is_repaired_under_load_and_then_carries_a_majority(programs):
    with Cluster(programs) as cluster:
        leader = start_all(cluster)
        load = Load(cluster, seconds=12)
        for number in range(100):
            cluster.put_done(f"before {number}", number)
        node = cluster.follower_of(leader)
        cluster.kill(node)
        file = flip_first_record(cluster, node)
        comes_back_in_doubt_and_is_repaired(cluster, node, file)
        for other in [other for other in cluster.up() if other != node][:2]:
            cluster.kill(other)
        cluster.put_until_done("after", "with two down", seconds=10)
        load.finish()
        load.read_every_key()
        load.judge()
        for number in range(100):
            reply = cluster.get_until_answered(f"before {number}")
            check_equal(reply.json["payload"]["value"], number, f"before {number}")
        view = cluster.status(node)
        check(view["doubt"] is None and view["commit"] > 0, f"it serves: {view}")


def a_flipped_snapshot_is_repaired(programs):
    with Cluster(programs, nodes=3) as cluster:
        leader = start_all(cluster)
        load = Load(cluster, seconds=4, op="put", clients=32)
        node = cluster.follower_of(leader)
        wait_for(lambda: len(cluster.files(node, ".snap")) > 0, 20, "a snapshot")
        load.finish()
        check(cluster.status(node)["base"] > 0, "its log begins behind the snapshot")
        cluster.kill(node)
        path = cluster.files(node, ".snap")[-1]
        flip(path, os.path.getsize(path) // 2)
        comes_back_in_doubt_and_is_repaired(cluster, node, os.path.basename(path))
        check(cluster.status(node)["restored"] > 0, "by a leader's snapshot")
        other = next(other for other in cluster.up() if other != node)
        cluster.kill(other)
        cluster.put_until_done("after", 1, seconds=10)


def damage_on_a_majority_is_told_and_nothing_is_answered(programs):
    with Cluster(programs, nodes=3) as cluster:
        leader = start_all(cluster)
        for number in range(20):
            cluster.put_done("k", number)
        struck = [node for node in range(3) if node != leader]
        for node in struck:
            cluster.kill(node)
            flip_first_record(cluster, node)
        for node in struck:
            cluster.start(node, *OPTIONS)
        for node in struck:
            view = wait_for(lambda node=node: (view := cluster.status(node)) and view["doubt"] and view, 5,
                            "it says that it is in doubt")
            doubt = view["doubt"]
            check(doubt["first"] == 1 and doubt["last"] >= 20 and "at offset 1024" in doubt["where"],
                  f"what is lost and where: {doubt}")
        reply = put(cluster.addresses[leader], "k", "never")
        check(reply.code == "fail", f"a put that no intact majority can keep: {reply}")
        cluster.kill(leader)
        for node in struck:
            reply = put(cluster.addresses[node], "k", "never")
            check_equal((reply.code, reply.outcome), ("fail", "rejected"), f"a put at {node}")
            check_equal(cluster.status(node)["role"], "follower", f"the role of {node}")
            check(cluster.status(node)["doubt"], f"node {node} is still in doubt")
        said = run([programs.vesperctl, "status", cluster.addresses[struck[0]]]).stdout
        check_equal(said.count("in doubt: segment-"), 2, f"vesperctl status: {said}")
        # The log is cut to what is whole; that this is not all, only the doubt says.
        cluster.kill(struck[0])
        seen = run([programs.vesperctl, "wal", "verify", cluster.data_dir(struck[0])])
        check_equal(seen.returncode, 2, f"wal verify of a directory in doubt: {seen.stdout}")
        check("damaged: segment-" in seen.stdout and "may be lost" in seen.stdout, seen.stdout)


def content(folder):
    sums = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            sums[name] = hashlib.sha256(file.read()).hexdigest()
    return sums


def a_node_alone_refuses_and_leaves_its_disk_as_it_is(programs):
    with Cluster(programs, nodes=1) as cluster:
        start_all(cluster)
        for number in range(20):
            cluster.put_done("k", number)
        cluster.kill(0)
        file = flip_first_record(cluster, 0)
        before = content(cluster.data_dir(0))
        process = cluster.start(0, *OPTIONS)
        check_equal(process.wait(timeout=10), 1, "the exit status")
        said = cluster.log(0).splitlines()[-1]
        check(f"{file} at offset 1024" in said and "entries from 1 on (up to 21 at least)" in said and
              "no other node has a copy" in said, f"what is lost and where: {said}")
        check_equal(content(cluster.data_dir(0)), before, "the data directory")


if __name__ == "__main__":
    main([a_flipped_record_is_repaired_under_load_and_then_carries_a_majority,
          a_flipped_snapshot_is_repaired,
          damage_on_a_majority_is_told_and_nothing_is_answered,
          a_node_alone_refuses_and_leaves_its_disk_as_it_is])
