"""What nodes record of a real cluster under load, with kills, pauses and restarts, and that the core does exactly the
same again when it is replayed.

    tests/cluster/record_test.py --vesperd ... --vesperctl ... --vesper-sim ... [--runs 10]"""

import glob
import os
import re
import time

from harness import Cluster, check, check_equal, flip, get, main, run, wait_for
from load import Load

# Small, so that segments are closed and snapshots made and sent within the test.
SMALL = ["--segment-size", "1", "--snapshot-entries", "400", "--trailing-entries", "50", "--check-interval", "1000"]


def record_of(cluster, node):
    return os.path.join(cluster.dir, f"node-{node}.record")


def records_of(cluster, node):
    """Of all its lives."""
    return sorted(glob.glob(record_of(cluster, node) + "*"))


def start_recording(cluster, node, *options):
    return cluster.start(node, *SMALL, "--record", record_of(cluster, node), *options)


def replay(cluster, record, *options):
    return run([cluster.programs.vesper_sim, "replay", record, *options], timeout=120)


def numbers_of(line):
    return {name: int(number) for name, number in re.findall(r" (\w+)=(\d+)\b", line)}


def replayed_alike(cluster, record):
    """The numbers of its PASS line."""
    done = replay(cluster, record)
    check(done.returncode == 0 and done.stdout.splitlines()[-1].startswith("PASS "),
          f"{record} is replayed alike: {done.stdout}{done.stderr}")
    return numbers_of(done.stdout.splitlines()[-1])


def disturb(cluster):
    """Two kills, two pauses, two restarts: of leaders and of followers."""
    leader = cluster.wait_leader()
    cluster.kill(leader)
    time.sleep(1.2)
    start_recording(cluster, leader)
    cluster.wait_settled()  # or the next one may be killed before its first turn
    follower = cluster.follower_of(cluster.wait_leader())
    cluster.pause(follower)
    time.sleep(1.2)
    cluster.resume(follower)
    cluster.kill(follower)
    paused = cluster.wait_leader()
    cluster.pause(paused)
    start_recording(cluster, follower)
    wait_for(lambda: (cluster.leader_now() or (paused,))[0] != paused, 10, "another node leads")
    cluster.resume(paused)
    cluster.wait_settled()


def all_that_nodes_recorded_replays_alike(programs):
    with Cluster(programs) as cluster:
        for node in range(5):
            start_recording(cluster, node)
        load = Load(cluster, 8, op="put")
        disturb(cluster)
        load.finish()
        check_equal(cluster.put_done("last", "one") in range(5), True, "a put after the load")
        for node in range(5):
            cluster.terminate(node)

        records = [record for node in range(5) for record in records_of(cluster, node)]
        check_equal(len(records), 7, "lives that were recorded")
        found = [replayed_alike(cluster, record) for record in records]
        turns = sum(numbers["turns"] for numbers in found)
        inputs = sum(numbers[kind] for numbers in found for kind in ("frames", "requests", "completions"))
        check(inputs > 2000, f"there was something to replay: {found}")
        size = sum(os.path.getsize(record) for record in records)
        print(f"counts: recorded lives replayed: {len(records)}, {turns} turns, {inputs} inputs, "
              f"{size // 1024} KiB", flush=True)


def a_record_is_never_written_over_and_says_where_it_is_bad(programs):
    with Cluster(programs, nodes=1) as cluster:
        for number in range(2):
            start_recording(cluster, 0)
            cluster.wait_leader()
            # The turn that answers a put may not be written down whole by then; it is once the next one is answered.
            for _ in range(2):
                cluster.put_done("k", number)
            cluster.kill(0)
        first, second = records_of(cluster, 0)
        check_equal(second, first + ".2", "the second life's file")
        check("records to " + second in cluster.log(0), "the log names the file")

        whole = replayed_alike(cluster, second)
        done = replay(cluster, second, "--until-turn", str(whole["turns"] - 1))
        check_equal((done.returncode, numbers_of(done.stdout)["turns"]), (0, whole["turns"] - 1), "until a turn")
        check("break vesper_replay_stop" in done.stdout, f"how to break there: {done.stdout}")
        done = replay(cluster, second, "--trace")
        check(re.search(r" > answer to \d+: success", done.stdout), "the trace tells the answer")

        before = replayed_alike(cluster, first)
        with open(first, "rb") as file:
            os.truncate(first, len(file.read().rstrip(b"\0")) * 3 // 4)
        done = replay(cluster, first)
        check_equal(done.returncode, 0, "the status of a record that is cut off")
        check(0 < numbers_of(done.stdout)["turns"] < before["turns"], f"what is left of it: {done.stdout}")
        check(done.stdout.startswith("the recording ends "), f"it says so: {done.stdout}")
        flip(second, 600)
        done = replay(cluster, second)
        check_equal(done.returncode, 2, "the status of a damaged record")
        check(re.match(re.escape(second) + r": damaged at offset \d+: ", done.stderr),
              f"it names file and offset: {done.stderr}")
        check_equal(replay(cluster, cluster.ip_list).returncode, 2, "the status of what is no record")


def a_node_serves_where_its_record_cannot_be_written(programs):
    with Cluster(programs, nodes=1) as cluster:
        cluster.start(0, "--record", os.path.join(cluster.dir, "no-such-folder", "record"))
        leader = cluster.wait_leader()
        cluster.put_done("k", 1)
        check_equal(get(cluster.addresses[leader], "k").code, "success", "a get")
        check_equal(cluster.log(0).count("records nothing: create "), 1, "lines that say so")


if __name__ == "__main__":
    main([all_that_nodes_recorded_replays_alike, a_record_is_never_written_over_and_says_where_it_is_bad,
          a_node_serves_where_its_record_cannot_be_written])
