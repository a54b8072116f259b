"""What a data directory refuses: another node, another cluster, a second process, damage, forgetting."""

import os
import shutil
import time

from harness import Cluster, check, check_equal, flip, main, put, run, wait_for

CRASHES = (-6, -8, -11)


def start_fails(cluster, node, *words, **options):
    """Starts a node that must end by itself, with an error that says `words`."""
    had = len(cluster.log(node)) if os.path.exists(cluster.log_file(node)) else 0
    process = cluster.start(node, **options)
    wait_for(lambda: process.poll() is not None, 10, f"node {node} ends by itself")
    said = cluster.log(node)[had:]
    check(process.returncode != 0, f"the exit status of a refusal: {said}")
    check(process.returncode not in CRASHES, f"it crashed ({process.returncode}): {said}")
    for word in words:
        check(word in said, f"the refusal names {word!r}: {said}")
    del cluster.processes[node]
    return said


def put_some(cluster, count=50):
    for number in range(count):
        cluster.put_done(f"k{number}", "x" * 200)


def the_directory_of_another_node_is_refused(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        cluster.kill(1)
        cluster.kill(2)
        start_fails(cluster, 1, "n2", "n1", data_dir=cluster.data_dir(2))


def the_directory_of_a_cluster_of_another_size_is_refused(programs):
    with Cluster(programs) as cluster, Cluster(programs, nodes=3) as small:
        cluster.start_all()
        small.start_all()
        small.kill(1)
        cluster.kill(1)
        start_fails(cluster, 1, "3", "5", data_dir=small.data_dir(1))


def the_directory_of_another_cluster_is_refused(programs):
    with Cluster(programs) as cluster, Cluster(programs) as other:
        cluster.start_all()
        other.start_all()
        put_some(cluster, 5)
        put_some(other, 10)
        cluster.kill(1)
        other.kill(1)
        start_fails(cluster, 1, "another cluster", data_dir=other.data_dir(1))
        check_equal(cluster.get_until_answered("k7").json, {"code": "fail"},
                    "nothing of the other cluster came in")
        cluster.start(1)
        wait_for(lambda: cluster.status(1), 5, "with its own directory it starts")


def a_second_process_on_one_directory_is_refused(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        first = cluster.processes[1]
        second_list = os.path.join(cluster.dir, "other_ports.txt")
        with Cluster(programs) as other, open(second_list, "w") as file:
            file.write("\n".join(other.addresses))
        start_fails(cluster, 1, cluster.data_dir(1), ip_list=second_list)
        cluster.processes[1] = first
        check(first.poll() is None, "the first process goes on")
        put_some(cluster, 5)


def a_port_that_is_taken_is_refused(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        first = cluster.processes[1]
        port = cluster.addresses[1].rsplit(":", 1)[1]
        fresh = os.path.join(cluster.dir, "fresh")
        start_fails(cluster, 1, port, "in use", data_dir=fresh)
        check(not os.path.exists(fresh), "a node without a port leaves no data directory")
        cluster.processes[1] = first
        check(first.poll() is None, "the first process goes on")


def a_cluster_is_formed_when_all_are_there(programs):
    with Cluster(programs) as cluster:
        for node in range(4):
            cluster.start(node)
        time.sleep(2)
        for node in range(4):
            view = cluster.status(node)
            check(view, f"node {node} answers while it waits")
            check_equal((view["phase"], view["term"]), ("forming", 0), "waits for the fifth")
            reply = put(cluster.addresses[node], "k", 1)
            check_equal((reply.code, reply.outcome), ("fail", "rejected"), "PUT before the forming")
        check("n4" in cluster.log(0), "the log says whom it waits for")
        cluster.start(4)
        cluster.wait_leader()
        ids = {cluster.status(node)["cluster"] for node in range(5) if cluster.status(node)}
        check_equal(len(ids), 1, f"one cluster id: {ids}")


def form_makes_a_cluster_without_waiting(programs):
    with Cluster(programs, nodes=3) as cluster:
        cluster.start(0, "--form")
        cluster.start(1)
        cluster.put_done("k", 1)  # with two of three
        cluster.start(2)
        wait_for(lambda: (cluster.status(2) or {}).get("keys") == 1, 10, "the third catches up")


def a_wiped_node_does_not_take_part(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        put_some(cluster)
        node = cluster.follower_of(cluster.wait_leader())
        cluster.kill(node)
        shutil.rmtree(cluster.data_dir(node))
        start_fails(cluster, node, "formed", f"n{node}")
        put_some(cluster, 5)
        # Nor when it tries again with what it wrote the first time.
        start_fails(cluster, node, "formed", f"n{node}")


def first_value(file):
    with open(file, "rb") as segment:
        data = segment.read()
    found = data.find(b"x" * 200)
    check(found > 0, f"{file} holds a value that was put")
    return found


def a_cut_segment_is_refused(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        put_some(cluster)
        node = cluster.follower_of(cluster.wait_leader())
        cluster.kill(node)
        segment = cluster.files(node, ".log")[0]
        os.truncate(segment, first_value(segment))
        start_fails(cluster, node, os.path.basename(segment), "offset")


def a_lost_segment_is_refused(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        put_some(cluster)
        node = cluster.follower_of(cluster.wait_leader())
        cluster.kill(node)
        for segment in cluster.files(node, ".log"):
            os.remove(segment)
        start_fails(cluster, node, "missing")


def a_damaged_identity_is_refused(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        cluster.kill(1)
        flip(os.path.join(cluster.data_dir(1), "identity"), 9)
        start_fails(cluster, 1, "identity")


def a_directory_that_cannot_be_made_is_an_error(programs):
    with Cluster(programs) as cluster:
        done = run([programs.vesperd, "0", cluster.ip_list, "--data-dir", "/proc/nowhere/data"])
        check(done.returncode not in (0, *CRASHES), f"exit status {done.returncode}")
        check("/proc/nowhere" in done.stderr, f"the directory is named: {done.stderr!r}")


main([
    the_directory_of_another_node_is_refused,
    the_directory_of_a_cluster_of_another_size_is_refused,
    the_directory_of_another_cluster_is_refused,
    a_second_process_on_one_directory_is_refused,
    a_port_that_is_taken_is_refused,
    a_cluster_is_formed_when_all_are_there,
    form_makes_a_cluster_without_waiting,
    a_wiped_node_does_not_take_part,
    a_cut_segment_is_refused,
    a_lost_segment_is_refused,
    a_damaged_identity_is_refused,
    a_directory_that_cannot_be_made_is_an_error,
])
