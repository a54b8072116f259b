"""Who may not take part: removed nodes that come back, empty directories under an old id, a second directory under a
joined one. And what vesperctl member and vesperd --join say to bad input."""

import json
import os
import shutil
import subprocess

from harness import Cluster, ask, check, check_equal, main, run, wait_for
from members import REMOVED, add, at, caught_up, done, member, members, promote, remove, standings


def wipe(cluster, node):
    shutil.rmtree(cluster.data_dir(node))


def ends(cluster, node, status, *words, seconds=10, **options):
    """Starts a node that must end by itself with this status and an error that says `words`."""
    had = len(cluster.log(node))
    process = cluster.start(node, **options)
    wait_for(lambda: process.poll() is not None, seconds, f"n{node} ends by itself")
    said = cluster.log(node)[had:]
    check_equal(process.returncode, status, f"exit status: {said}")
    for word in words:
        check(word in said, f"it says {word!r}: {said}")
    del cluster.processes[node]


def a_removed_node_that_comes_back_is_refused(programs):
    with Cluster(programs, nodes=3, spare=2) as cluster:
        cluster.start_all()
        joined = add(cluster)
        promote(cluster, joined)
        cluster.put_done("k", 1)
        # They are away when they are removed, and know nothing of it.
        for node in (0, joined):
            cluster.kill(node)
            remove(cluster, node)
        add(cluster)
        # A restart of the members: they know no more where those are that left.
        for node in (1, 2):
            cluster.kill(node)
        for node in (1, 2):
            cluster.start(node)
        cluster.wait_leader()
        for old_directory in (True, False):
            if not old_directory:
                wipe(cluster, 0)
                wipe(cluster, joined)
            ends(cluster, 0, REMOVED, "n0 was removed from the cluster")
            ends(cluster, joined, REMOVED, f"n{joined} was removed from the cluster")
        check_equal(standings(cluster), {1: "voter", 2: "voter", 4: "learner"}, "the members")
        cluster.put_done("k", 2)


def an_empty_directory_takes_no_members_place(programs):
    with Cluster(programs, nodes=3, spare=1) as cluster:
        cluster.start_all()
        joined = add(cluster)
        promote(cluster, joined)
        caught_up(cluster, joined)
        # A founder's disk is lost.
        cluster.kill(0)
        shutil.move(cluster.data_dir(0), cluster.data_dir(0) + "-kept")
        ends(cluster, 0, 1, "vesperctl member replace")
        # So is that of one that joined.
        cluster.kill(joined)
        shutil.move(cluster.data_dir(joined), cluster.data_dir(joined) + "-kept")
        ends(cluster, joined, 1, "another data directory", "vesperctl member replace")
        # And with what it wrote the first time.
        ends(cluster, joined, 1, "another data directory")
        for node in (0, joined):
            wipe(cluster, node)
            shutil.move(cluster.data_dir(node) + "-kept", cluster.data_dir(node))
            cluster.start(node)
        cluster.wait_settled()
        # A second directory while the first is in use: the port is taken.
        first = cluster.processes[joined]
        ends(cluster, joined, 1, "in use", data_dir=cluster.data_dir(joined) + "-second")
        cluster.processes[joined] = first
        check(first.poll() is None, "the first goes on")


def a_lost_disk_is_replaced_at_its_own_address(programs):
    with Cluster(programs, nodes=3) as cluster:
        cluster.start_all()
        cluster.put_done("k", "kept")
        cluster.kill(2)
        wipe(cluster, 2)
        cluster.voters = {0, 1}
        command = [programs.vesperctl, "member", "replace", cluster.addresses[0], "2", cluster.addresses[2]]
        # Interrupted before the new node was started, and run again.
        first = cluster.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said = [first.stdout.readline() for _ in range(3)]
        check_equal(said[:2], ["n2 is removed\n", f"n3 is a learner at {cluster.addresses[2]}\n"], "first it removes")
        first.kill()
        cluster.addresses.append(cluster.addresses[2])
        again = cluster.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cluster.start(3)
        out, _ = again.communicate(timeout=30)
        check_equal(again.returncode, 0, f"exit status: {out}")
        check("n3 is a learner" in out and "n3 is a voter, n2 is removed" in out, out)
        cluster.voters.add(3)
        check_equal(standings(cluster), {0: "voter", 1: "voter", 3: "voter"}, "the members")
        # Done already: it says so, and changes nothing.
        index = members(cluster)["index"]
        check("n3 is a voter" in done(cluster, "replace", at(cluster), 2, cluster.addresses[2]), "the third time")
        check_equal(members(cluster)["index"], index, "the entry that the members stand in")
        cluster.kill(0)
        cluster.put_until_done("k", "without n0")


def what_a_member_command_cannot_do(programs):
    with Cluster(programs, nodes=3, spare=2) as cluster:
        cluster.start_all()
        here = cluster.addresses[0]
        refused = [
            (("remove", here, 7), "n7 is no member of this cluster"),
            (("remove", here, 0, 1, 2), "without voters"),
            (("promote", here, 9), "n9 is no member of this cluster"),
            (("add", here, cluster.addresses[1]), f"n1 is a member at {cluster.addresses[1]}"),
            (("replace", here, 3, cluster.spare[0]), "n3 is no member of this cluster, and never was"),
        ]
        for words, error in refused:
            result = member(cluster, *words)
            check_equal((result.returncode, result.stdout), (1, ""), f"exit status of {words}")
            check(error in result.stderr, f"{words}: {result.stderr}")
        learner = add(cluster, start=False)
        waits = member(cluster, "promote", here, learner, "--timeout", 700)
        check_equal(waits.returncode, 1, "a learner that was never started")
        check(f"n{learner} has not joined yet: waiting" in waits.stderr and "within 700 ms" in waits.stderr,
              waits.stderr)
        check_equal(done(cluster, "promote", here, 1), "n1 is a voter\n", "a voter already")
        check_equal(done(cluster, "remove", here, learner), f"n{learner} is removed\n", "a learner that never came")

        for node in (1, 2):
            cluster.kill(node)
        lonely = member(cluster, "remove", here, 2, "--timeout", 1500)
        check_equal(lonely.returncode, 1, "without a majority")
        check_equal(member(cluster, "list", here, "--timeout", 500).returncode, 0, "a list may be read anywhere")
        cluster.kill(0)
        for words in (("list", here), ("add", here, cluster.spare[0]), ("remove", here, 1), ("promote", here, 1)):
            check_equal(member(cluster, *words, "--timeout", 300).returncode, 3, f"{words}: no node is there")


def bad_words_are_refused(programs):
    with Cluster(programs, nodes=1) as cluster:
        here = cluster.addresses[0]
        for words in ((), ("list",), ("list", "nowhere"), ("list", here, "more"), ("add", here), ("add", here, "x"),
                      ("add", here, "http://h"), ("remove", here), ("remove", here, "n1"), ("remove", here, "-1"),
                      ("remove", here, "1000000"), ("promote", here), ("replace", here, "1"),
                      ("replace", here, "x", here), ("replace", here, "1", "x"), ("list", here, "--timeout", "-1"),
                      ("change", here)):
            result = member(cluster, *words)
            check_equal((result.returncode, result.stdout), (2, ""), f"{words}: {result.stderr}")
            check(result.stderr, f"{words}: it says why")
        daemon = [
            ((), "id"),
            (("0",), "--join"),
            (("0", cluster.ip_list, "--join", here), "--join"),
            (("0", "--join", "x"), "http://"),
            (("0", "--join", f"{here},x"), "http://"),
            (("0", "--join", here, "--form"), "--form"),
            (("1000000", "--join", here), "1000000"),
        ]
        for words, said in daemon:
            result = run([programs.vesperd, *words], cwd=cluster.dir)
            check_equal(result.returncode, 2, f"vesperd {words}: {result.stderr}")
            check(said in result.stderr, f"vesperd {words}: {result.stderr}")


def a_join_that_leads_nowhere(programs):
    with Cluster(programs, nodes=1, spare=1) as cluster:
        stranger = [programs.vesperd, "7", "--data-dir", os.path.join(cluster.dir, "data-7"), "--join"]
        nobody = run([*stranger, cluster.addresses[0], "--join-timeout", "500"])
        check_equal(nobody.returncode, 1, "nobody answers")
        check("does not answer" in nobody.stderr and "within 500 ms" in nobody.stderr, nobody.stderr)
        cluster.start_all()
        unasked = run([*stranger, cluster.addresses[0]])
        check_equal(unasked.returncode, 1, "an id that was never given out")
        check("n7 is no member of the cluster" in unasked.stderr and "vesperctl member add" in unasked.stderr,
              unasked.stderr)
        check(not os.path.exists(os.path.join(cluster.dir, "data-7")), "it leaves no directory")

        joined = add(cluster)
        promote(cluster, joined)
        # What it keeps of the members is damaged: with a member that answers it does without.
        cluster.terminate(joined)
        kept = os.path.join(cluster.data_dir(joined), "members")
        with open(kept) as file:
            text = file.read()
        check_equal(json.loads(text.splitlines()[1])["members"][1]["address"], cluster.addresses[1], "what it keeps")
        with open(kept, "w") as file:
            file.write(text.replace("127.0.0.1", "127.0.0.2", 1))
        cluster.start(joined, join=cluster.addresses[:1])
        cluster.wait_settled()
        check("members: the file is damaged" in cluster.log(joined), "it says so")


def bad_bodies_are_refused(programs):
    with Cluster(programs, nodes=1, spare=1) as cluster:
        cluster.start_all()
        here = cluster.addresses[0]
        index = members(cluster)["index"]
        for body in ("", "[]", "{}", "{", '{"add":1}', '{"add":"x"}', '{"add":"http://h:1","add":"http://h:2"}',
                     '{"add":"http://h:1","remove":[0]}', '{"remove":0}', '{"remove":["0"]}', '{"remove":[0,0]}',
                     '{"promote":[1.5]}', '{"remve":[0]}', '{"remove":[0]} x'):
            reply = ask(here, "POST", "/members", body)
            check_equal((reply.status, reply.code), (400, "fail"), f"{body}: {reply}")
            check(reply.json["error"], f"{body}: it says what is wrong")
        refused = ask(here, "POST", "/members", {"remove": [0]})
        check_equal((refused.status, refused.outcome), (409, "rejected"), f"the last voter: {refused}")
        check_equal(ask(here, "POST", "/members", {"remove": []}).status, 409, "nothing to change")
        check_equal(ask(here, "PUT", "/members", {}).headers["Allow"], "GET, POST", "another method")
        upgrade = {"Connection": "Upgrade", "Upgrade": "vesper-frames/1"}
        check_equal(ask(here, "GET", "/peer?from=x", headers=upgrade).status, 400, "a peer that says nonsense of itself")
        check_equal(members(cluster)["index"], index, "nothing has changed")
        added = ask(here, "POST", "/members", {"add": cluster.spare[0]})
        check_equal(added.json, {"code": "success", "id": 1}, "an addition")


main([
    a_removed_node_that_comes_back_is_refused,
    an_empty_directory_takes_no_members_place,
    a_lost_disk_is_replaced_at_its_own_address,
    what_a_member_command_cannot_do,
    bad_words_are_refused,
    a_join_that_leads_nowhere,
    bad_bodies_are_refused,
])
