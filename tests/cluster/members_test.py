"""The members of a cluster change under load: it grows and shrinks, all its nodes are replaced, all die and come
back. Nothing acknowledged is lost, and the clients' history is judged by the simulator's own linearizability check."""

import subprocess
import time

from harness import Cluster, check, check_equal, get, main, put, run, wait_for
from load import Load
from members import add, caught_up, done, members, promote, remove, replace, standings

# A change of members costs no election timeout but where the leader leaves and something goes wrong. One of several may
# meet a machine that is slow for a moment.
GAP_SECONDS_MAX = 3.0


def judge(cluster, load, begin):
    took = time.monotonic() - begin
    result = load.finish()
    check(took < result["seconds"], f"there was load all along: it took {took:.1f} s")
    gap = load.longest_gap()
    print(f"     {took:.1f} s of changes under load: {result['ok']} operations done, {result['unknown']} unknown; "
          f"longest gap in service {1000 * gap:.0f} ms")
    check(gap < GAP_SECONDS_MAX, f"a gap of {gap} s")
    check(load.read_every_key() > 0, "keys were written")
    load.judge()


def grow_to_seven_and_shrink_to_one_under_load(programs):
    with Cluster(programs, nodes=1, spare=6) as cluster:
        cluster.start_all()
        load = Load(cluster, seconds=30, clients=4)
        begin = time.monotonic()
        for size in (3, 5, 7):
            promote(cluster, add(cluster), add(cluster))
            check_equal(len(standings(cluster)), size, "members")
            check_equal(set(standings(cluster).values()), {"voter"}, "all vote")
            time.sleep(0.5)
        for size in (5, 3, 1):
            leader = cluster.wait_leader()
            other = next(node for node in cluster.up() if node != leader)
            remove(cluster, leader, other)  # the leader is one of those who leave, each time
            check_equal(len(standings(cluster)), size, "members")
            time.sleep(0.5)
        judge(cluster, load, begin)


def all_five_nodes_are_replaced_one_by_one_under_load(programs):
    with Cluster(programs, spare=5) as cluster:
        cluster.start_all()
        load = Load(cluster, seconds=30, clients=4)
        begin = time.monotonic()
        for old in range(5):
            new = replace(cluster, old)
            check_equal(sorted(standings(cluster)), list(range(old + 1, new + 1)), "members")
            time.sleep(0.5)
        check_equal(cluster.up(), [5, 6, 7, 8, 9], "none of the first five is left")
        judge(cluster, load, begin)


def kill_9_of_all_and_restart_after_changes(programs):
    with Cluster(programs, nodes=3, spare=2) as cluster:
        cluster.start_all()
        promote(cluster, add(cluster), add(cluster))
        remove(cluster, 0)
        load = Load(cluster, seconds=4)
        time.sleep(2)
        nodes = cluster.up()
        check_equal(nodes, [1, 2, 3, 4], "who is up")
        for _ in range(2):
            for node in nodes:
                cluster.kill(node)
            # The founders by their list, the others by the address of one that is down, and that is gone.
            for node in nodes:
                cluster.start(node, join=None if node < 3 else cluster.addresses[:1])
            cluster.wait_settled()
        load.finish()
        check(load.read_every_key() > 0, "keys were written")
        load.judge()
        check_equal(standings(cluster), dict.fromkeys(nodes, "voter"), "the members, as before")
        # A majority that has no founder in it.
        cluster.kill(1)
        cluster.put_until_done("k", "without n1")
        cluster.start(1)
        cluster.wait_settled()
        cluster.kill(2)
        cluster.put_until_done("k", "without n2")


def a_node_that_was_away_while_all_others_were_replaced_comes_back(programs):
    with Cluster(programs, nodes=3, spare=5) as cluster:
        cluster.start_all()
        cluster.put_done("k", "before")
        away = [add(cluster), 2]  # one that joined, and a founder
        promote(cluster, away[0])
        promote(cluster, add(cluster))
        for node in away:
            cluster.kill(node)
        for old in (0, 1, 4):
            replace(cluster, old)
        cluster.put_done("k", "after")
        # They know nobody of those who are there now, and nobody answers whom they are to ask.
        cluster.start(away[0], join=cluster.addresses[:2])
        cluster.start(away[1])
        for node in away:
            caught_up(cluster, node)
        leader = cluster.wait_settled()
        redirect = get(cluster.addresses[away[0]], "k")
        check(redirect.message == cluster.addresses[leader] or redirect.code == "success", f"{redirect}")


def a_leader_that_is_removed_hands_over(programs):
    with Cluster(programs, nodes=5) as cluster:
        cluster.start_all()
        load = Load(cluster, seconds=6, clients=4)
        time.sleep(1)
        for _ in range(2):
            leader = cluster.wait_settled()
            term = cluster.status(leader)["term"]
            remove(cluster, leader)
            new = cluster.wait_leader()
            check_equal(cluster.status(new)["term"], term + 1, "the next term: one election, at once")
            time.sleep(0.5)
        load.finish()
        gap = load.longest_gap()
        print(f"     longest gap in service {1000 * gap:.0f} ms")
        check(gap < GAP_SECONDS_MAX, f"a gap of {gap} s")
        load.read_every_key()
        load.judge()


def a_newcomer_catches_up_by_snapshot_and_starts_from_one(programs):
    with Cluster(programs, nodes=1, spare=2) as cluster:
        small = ("--snapshot-entries", "200", "--trailing-entries", "10")
        cluster.start(0, *small)
        cluster.wait_leader()
        for count in range(500):
            cluster.put_done(f"k{count}", count)
        wait_for(lambda: cluster.status(0)["base"] > 300, 10, "the leader's log is cut")
        new = [add(cluster, start=False) for _ in range(2)]
        for node in new:
            cluster.start(node, *small)
        promote(cluster, *new)
        for node in new:
            caught_up(cluster, node)
            check(cluster.status(node)["restored"] == 1, "it took in a snapshot")
        for count in range(300):
            cluster.put_done(f"k{count}", -count)
        wait_for(lambda: all(cluster.status(node)["base"] > 700 for node in new), 10, "their logs are cut too")
        # The members stand in their snapshots alone.
        remove(cluster, 0)
        for node in new:
            cluster.kill(node)
        for node in new:
            cluster.start(node, *small, join=cluster.addresses[:1])
        cluster.wait_settled()
        check_equal(cluster.get_until_answered("k299").json["payload"]["value"], -299, "an acknowledged put")
        check_equal(cluster.get_until_answered("k300").json["payload"]["value"], 300, "another")


def several_operators_at_once(programs):
    with Cluster(programs, nodes=3, spare=4) as cluster:
        cluster.start_all()
        commands = [cluster.spawn([programs.vesperctl, "member", "add", cluster.addresses[number % 3], address,
                                   "--timeout", "20000"], stdout=subprocess.PIPE, text=True)
                    for number, address in enumerate(cluster.spare)]
        said = [command.communicate(timeout=30)[0] for command in commands]
        check_equal([command.returncode for command in commands], [0] * 4, f"exit statuses: {said}")
        ids = sorted(int(text.split()[0].removeprefix("n")) for text in said)
        check_equal(ids, [3, 4, 5, 6], "each its own id")
        check_equal(len(standings(cluster)), 7, "members")


def status_and_list_tell_of_learners(programs):
    with Cluster(programs, nodes=1, spare=1) as cluster:
        cluster.start_all()
        put(cluster.addresses[0], "k", 1)
        learner = add(cluster)
        caught_up(cluster, learner)
        table = done(cluster, "list", cluster.addresses[learner])
        check("learner" in table and "leader: n0 " in table and "lag" in table, table)
        seen = members(cluster)
        check_equal([(line["id"], line["standing"], line["address"]) for line in seen["members"]],
                    [(0, "voter", cluster.addresses[0]), (1, "learner", cluster.addresses[1])], "the list")
        check(all("match" not in line for line in seen["members"]), f"a follower knows no match: {seen}")
        view = cluster.status(learner)
        check_equal((view["voter"], view["joint"], view["nodes"]), (False, False, cluster.addresses), "its status")
        status = run([programs.vesperctl, "status", cluster.addresses[learner]]).stdout
        check("learner" in status and cluster.addresses[learner] in status, status)
        # It counts in no majority: without it the leader serves on.
        cluster.kill(learner)
        check_equal(put(cluster.addresses[0], "k", 2).code, "success", "a put without the learner")
        cluster.start(learner)
        promote(cluster, learner)
        wait_for(lambda: (cluster.status(learner) or {}).get("voter"), 5, "it votes")


main([
    grow_to_seven_and_shrink_to_one_under_load,
    all_five_nodes_are_replaced_one_by_one_under_load,
    kill_9_of_all_and_restart_after_changes,
    a_node_that_was_away_while_all_others_were_replaced_comes_back,
    a_leader_that_is_removed_hands_over,
    a_newcomer_catches_up_by_snapshot_and_starts_from_one,
    several_operators_at_once,
    status_and_list_tell_of_learners,
])
