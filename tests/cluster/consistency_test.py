"""Nodes of a real cluster compare their states: one whose state was altered on purpose is reported, stops and does not
come back; the others serve on. The state is altered on disk, where every checksum is made right again."""

import os

from harness import Cluster, check, check_equal, get, main, run, wait_for

OPTIONS = ["--snapshot-entries", "300", "--trailing-entries", "10", "--check-interval", "500"]


def start(cluster):
    for node in range(len(cluster.addresses)):
        cluster.start(node, *OPTIONS)
    return cluster.wait_settled()


def alter_snapshot(cluster, node):
    """The value that clients have put under this key becomes another, in the newest snapshot of a node that is down."""
    newest = cluster.files(node, ".snap")[-1]
    tool = os.path.join(os.path.dirname(cluster.programs.vesperd), os.pardir, "tests", "cluster", "alter_snapshot")
    done = run([tool, newest, "altered", '"wrong"'])
    check_equal(done.returncode, 0, f"alter_snapshot {newest}: {done.stderr}")


def an_altered_state_is_reported_and_stops_the_node_and_the_rest_serve_on(programs):
    with Cluster(programs) as cluster:
        leader = start(cluster)
        cluster.put_done("altered", "right")
        load = run([programs.vesperctl, "bench", cluster.addresses[leader], "--clients", "8", "--seconds", "2",
                    "--op", "put", "--value-size", "100"])
        check_equal(load.returncode, 0, f"bench: {load.stdout}{load.stderr}")
        node = cluster.follower_of(cluster.wait_settled())
        wait_for(lambda: cluster.status(node)["snapshot"] > 0, 5, "a snapshot of the node")
        wait_for(lambda: cluster.status(node)["checks"] > 0, 5, "the nodes compare their states")
        check_equal(cluster.status(node)["differences"], 0, "differences before any was made")

        check_equal(cluster.terminate(node), 0, "the node's exit status")
        alter_snapshot(cluster, node)
        process = cluster.start(node, *OPTIONS)
        cluster.put_done("more", 1)  # a check point comes with the next entries only
        status = wait_for(lambda: process.poll(), 10, "the altered node stops")
        check_equal(status, 1, "its exit status")
        check("differs from that of a majority" in cluster.log(node), "it says why it stopped")
        check("STATE DIFFERS" in cluster.log(node), "it reports the others' states")
        others = [other for other in range(5) if other != node]
        told = [other for other in others if f"STATE DIFFERS from that of n{node}" in cluster.log(other)]
        check_equal(told, others, "the nodes that report the altered one")
        check(all(cluster.status(other)["differences"] > 0 for other in others), "/status counts it")

        process = cluster.start(node, *OPTIONS)
        check_equal(process.wait(timeout=5), 1, "the exit status of one more start")
        check("this directory must not serve again" in cluster.log(node), "it says what to do")
        cluster.processes.pop(node)
        cluster.put_done("after", 2)
        check_equal(cluster.get_until_answered("after").json["payload"]["value"], 2, "a value put since")
        for other in others:
            reply = get(cluster.addresses[other], "altered")
            if reply.code == "success":
                check_equal(reply.json["payload"]["value"], "right", "the value that was altered elsewhere")
        check(all(cluster.processes[other].poll() is None for other in others), "the others run")


def a_cluster_in_order_finds_no_difference_over_restarts_and_snapshots(programs):
    with Cluster(programs, nodes=3) as cluster:
        leader = start(cluster)
        for node in range(3):
            load = run([programs.vesperctl, "bench", cluster.addresses[leader], "--clients", "8", "--seconds", "2",
                        "--op", "put", "--value-size", "100", "--sessions"])
            check_equal(load.returncode, 0, f"bench: {load.stdout}{load.stderr}")
            cluster.kill(node)
            cluster.start(node, *OPTIONS)
            leader = cluster.wait_settled()
        cluster.put_done("last", 1)
        wait_for(lambda: all(cluster.status(node)["checks"] > 0 for node in range(3)), 10, "all compare")
        for node in range(3):
            check_equal(cluster.status(node)["differences"], 0, f"differences seen by node {node}")


if __name__ == "__main__":
    main([an_altered_state_is_reported_and_stops_the_node_and_the_rest_serve_on,
          a_cluster_in_order_finds_no_difference_over_restarts_and_snapshots])
