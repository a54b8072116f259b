"""vesperctl recover-with-data-loss on a real cluster that lost three of its five nodes for good: the two that are left
can do nothing; a new cluster of three is made of them, with all that either held; nodes of the old one are refused."""

import json
import os
import shutil
import signal
import time

from harness import Cluster, ask, check, check_equal, get, main, put, run, wait_for
from load import Load

# A write that was acknowledged this long before the kill is asked for (check_new_cluster says why).
SETTLED_SECONDS = 1.0


def contents(directory):
    """What every file of a directory holds, and when it was last written."""
    found = {}
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            found[name] = (os.stat(path).st_mtime_ns, hash(file.read()))
    return found


def stop(cluster, node):
    cluster.processes[node].send_signal(signal.SIGTERM)
    check_equal(cluster.processes.pop(node).wait(timeout=5), 0, f"node {node} ends")


def puts_of_log(programs, directory):
    """The last entry's index, and the puts of the log by key, the last value of each."""
    done = run([programs.vesperctl, "wal", "dump", directory, "--json"])
    check(done.returncode in (0, 1), f"dump: {done.stderr}")
    entries = []
    for record in map(json.loads, done.stdout.splitlines()):
        if record["record"] == "entry":
            entries.append(record)
        elif record["record"] == "truncation":
            entries = [entry for entry in entries if entry["index"] < record["from"]]
    check_equal([entry["index"] for entry in entries], list(range(1, len(entries) + 1)), "the log has all, from 1 on")
    values = {entry["key"]: json.loads(entry["value"]) for entry in entries if entry.get("command") == "put"}
    return (entries[-1]["term"], entries[-1]["index"]), values


def recover(programs, into, *arguments):
    return run([programs.vesperctl, "recover-with-data-loss", *arguments, "--into", into])


def lose_three_under_load(cluster):
    """Kills three nodes amid puts, the leader among them, and deletes their directories. Returns the two that are left
    and when each acknowledged put of ours was answered, before the kill."""
    leader = cluster.start_all()
    load = Load(cluster, seconds=4, op="put")
    answered = {}
    end = time.monotonic() + 2.5
    number = 0
    while time.monotonic() < end:
        leader = cluster.put_done(f"ours {number}", number)
        answered[number] = time.monotonic()
        number += 1
    # Those that are left are among the first four, so that one of them has a number in a cluster of three.
    lost = [leader] + [node for node in cluster.up() if node != leader][-2:]
    for node in lost:
        cluster.processes[node].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    for node in lost:
        cluster.kill(node)
        shutil.rmtree(cluster.data_dir(node))
    load.process.wait(timeout=30)
    check(number > 20, f"puts before the kill: {number}")
    return cluster.up(), {key: killed - at for key, at in answered.items()}


def elects_nobody(cluster, left):
    # Longer than three election timeouts.
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for node in left:
            view = cluster.status(node)
            check(view is None or view["role"] != "leader", f"two of five elected a leader: {view}")
        time.sleep(0.05)
    for node in left:
        reply = put(cluster.addresses[node], "without a majority", 1)
        check_equal(reply.json["code"], "fail", "a put without a majority")


def three_of_five_are_lost_for_good(programs):
    with Cluster(programs) as old:
        left, ages = lose_three_under_load(old)
        elects_nobody(old, left)
        directories = [old.data_dir(node) for node in left]
        into = os.path.join(old.dir, "recovered")
        in_use = recover(programs, into, *directories)
        check(in_use.returncode == 1 and "in use by a node" in in_use.stderr, f"while they run: {in_use}")
        for node in left:
            stop(old, node)

        before = [contents(directory) for directory in directories]
        logs = [puts_of_log(programs, directory) for directory in directories]
        done = recover(programs, into, *directories, "--nodes", 3)
        check_equal(done.returncode, 0, f"recover's exit status: {done.stderr}")
        check_equal([contents(directory) for directory in directories], before, "the survivors' directories")
        taken = max(range(2), key=lambda at: logs[at][0])
        (term, index), held = logs[taken]
        line = f"n{left[taken]} {directories[taken]}: ends with entry {index} of term {term}: is taken"
        # Where both end alike, the first one named is taken.
        check(line in done.stdout, f"{line}: {done.stdout}")
        behind = index - logs[1 - taken][0][1]
        says = f"{behind} entries behind" if behind > 0 else "no entry behind"
        check(says in done.stdout, f"{says}: {done.stdout}")
        again = recover(programs, into, *directories)
        check(again.returncode == 1 and "is there already" in again.stderr, f"a second time: {again}")

        with Cluster(programs, nodes=3) as new:
            new.data_dir = lambda node: os.path.join(into, f"n{node}")
            check_new_cluster(old, new, left, logs, held, ages)


def check_new_cluster(old, new, left, logs, held, ages):
    """What is guaranteed: all that the log that was taken holds is here, and every committed entry that either survivor
    holds is in that log (core/node/survivor.h says why). A write that was acknowledged is on three disks of five, and
    three were lost: the last ones may have been on those alone, so nothing can be asked of them. But a leader sends
    each entry to all at once, and all five were up: what was acknowledged a second before the kill was on the
    survivors' disks, unless both were a second late."""
    address = new.addresses[new.start_all()]
    settled = [number for number, age in ages.items() if age >= SETTLED_SECONDS]
    check(len(settled) > 10, f"puts that were acknowledged in time: {len(settled)}")
    for number in ages:
        if number in settled or any(f"ours {number}" in values for _, values in logs):
            check_equal(held.get(f"ours {number}"), number, f"ours {number}, acknowledged, in the log that was taken")
    # Whatever is held, acknowledged or not, with the last value that the log gives it.
    for key, value in held.items():
        reply = get(address, key)
        check_equal(reply.json.get("payload", {}).get("value"), value, f"{key}, which the log taken held")
    print(f"     {len(held)} keys held, {len(settled)} of our {len(ages)} puts acknowledged 1 s before the kill, "
          f"{sum(f'ours {number}' in held for number in ages)} of them all held")
    new.put_done("new", 1)

    refuses_the_old_ones(old, new, left[0])


def refuses_the_old_ones(old, new, stray):
    """One of the old cluster in the place of one of the new: with the new list, and with a list of five that leads it
    to the new nodes."""
    new.kill(stray)
    process = new.start(stray, data_dir=old.data_dir(stray))
    check_equal(process.wait(timeout=10), 1, "the stray's exit status")
    check("5" in new.log(stray).splitlines()[-1], f"it says why: {new.log(stray)[-300:]}")

    both = os.path.join(new.dir, "both.txt")
    with open(both, "w") as file:
        file.write("\n".join(new.addresses + old.addresses[3:]))
    begin = {node: len(new.log(node)) for node in range(3)}
    leader = wait_for(lambda: new.leader_now(), 10, "a leader without the stray")[0]
    term = new.status(leader)["term"]
    new.start(stray, ip_list=both, data_dir=old.data_dir(stray))
    for node in range(3):
        wait_for(lambda node=node: "of another cluster" in new.log(node)[begin[node]:], 10, f"node {node} says so")
    for number in range(20):
        new.put_done(f"beside it {number}", number)
    check_equal((new.status(leader)["term"], new.status(leader)["role"]), (term, "leader"), "who leads")
    view = new.status(stray)
    check(view["leader"] is None and view["role"] != "leader", f"the stray follows nobody: {view}")
    new.kill(stray)
    new.start(stray)
    new.wait_settled()
    new.put_done("all three", 1)


def what_cannot_be_used_is_refused(programs):
    """Two clusters of one node each, and copies of a directory: damaged, empty, outvoted."""
    with Cluster(programs, nodes=1) as first, Cluster(programs, nodes=1) as second:
        for cluster in (first, second):
            cluster.start(0, "--segment-size", "1")
            cluster.wait_leader()
            for number in range(60):
                cluster.put_done(f"key {number}", number)
            stop(cluster, 0)
        good = first.data_dir(0)

        def refused(name, *directories):
            into = os.path.join(first.dir, name)
            done = recover(programs, into, *directories)
            check_equal(done.returncode, 1, f"{name}: {done.stdout}")
            check(not os.path.exists(into) and not os.path.exists(into + ".part"), f"{name}: nothing is made")
            return done.stderr

        def id_of(directory):
            identity = run([programs.vesperctl, "wal", "verify", directory]).stdout.splitlines()[0]
            return identity.split("of cluster ")[1].split()[0]

        ids = [id_of(cluster.data_dir(0)) for cluster in (first, second)]
        says = refused("mixed", good, second.data_dir(0))
        check(all(f"of cluster {each}" in says for each in ids), f"two clusters: {says}")

        empty = os.path.join(first.dir, "empty")
        os.mkdir(empty)
        check(f"{empty}: neither an identity" in refused("nothing", empty), "an empty directory")
        check("missing" in refused("none", os.path.join(first.dir, "missing")), "a directory that is not there")

        outvoted = os.path.join(first.dir, "outvoted")
        shutil.copytree(good, outvoted)
        with open(os.path.join(outvoted, "diverged"), "w") as note:
            note.write("its state differs")
        check("its state differs" in refused("wrong", outvoted), "one whose state was outvoted")

        # A flipped bit amid the log: what comes before it is taken if that is asked for.
        damaged = os.path.join(first.dir, "damaged")
        shutil.copytree(good, damaged)
        dump = run([programs.vesperctl, "wal", "dump", good, "--json"])
        record = next(record for record in map(json.loads, dump.stdout.splitlines()) if record.get("key") == "key 40")
        with open(os.path.join(damaged, record["file"]), "r+b") as file:
            file.seek(record["offset"])
            byte = file.read(1)[0]
            file.seek(record["offset"])
            file.write(bytes([byte ^ 1]))
        before = contents(damaged)
        says = refused("whole only", good, damaged)
        check(f"{damaged}: {record['file']} at offset" in says and "--accept-damaged" in says, f"damage: {says}")

        for order in ([damaged, good], [good, damaged]):
            into = os.path.join(first.dir, f"both{order.index(good)}")
            done = recover(programs, into, *order, "--accept-damaged", "--nodes", 1)
            check_equal(done.returncode, 0, f"a damaged one and a good one: {done.stderr}")
            says = {path: next(line for line in done.stdout.splitlines() if f"{path}: ends with" in line)
                    for path in order}
            check(says[good].endswith("is taken"), f"the longer one is taken: {done.stdout}")
            check("entries behind" in says[damaged], f"the damaged one is behind: {done.stdout}")
            check(f"{record['file']} at offset" in done.stdout, f"it says what is damaged: {done.stdout}")
        into = os.path.join(first.dir, "prefix")
        done = recover(programs, into, damaged, "--accept-damaged", "--nodes", 1)
        check_equal(done.returncode, 0, f"a damaged one alone: {done.stderr}")
        check_equal(contents(damaged), before, "the damaged directory")
        first.start(0, data_dir=os.path.join(into, "n0"))
        first.wait_leader()
        for number in range(60):
            code = "success" if number < 40 else "fail"
            check_equal(get(first.addresses[0], f"key {number}").code, code, f"key {number}, before or after the damage")


def a_snapshot_with_the_log_after_it_is_recovered(programs):
    with Cluster(programs, nodes=3) as old:
        for node in range(3):
            old.start(node, "--segment-size", "1", "--snapshot-entries", "100", "--trailing-entries", "10")
        old.wait_settled()
        reply = ask(old.addresses[old.wait_leader()], "POST", "/session", b"")
        client = reply.json["payload"]["client"]
        body = {"type": "put", "payload": {"key": "once", "value": "first"}}
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{client}/1"}
        check_equal(ask(old.addresses[old.wait_leader()], "PUT", "/request", body, headers).code, "success", "a put")
        for number in range(250):
            old.put_done(f"key {number}", number)
        leader = old.wait_settled()
        wait_for(lambda: old.status(leader)["snapshot"] >= 200, 5, "a snapshot")
        for node in range(3):
            old.kill(node)
        into = os.path.join(old.dir, "recovered")
        done = recover(programs, into, old.data_dir(leader), "--nodes", 1)
        check_equal(done.returncode, 0, f"recover's exit status: {done.stderr}")
        with Cluster(programs, nodes=1) as new:
            new.start(0, data_dir=os.path.join(into, "n0"))
            address = new.addresses[new.wait_leader()]
            for number in range(250):
                check_equal(get(address, f"key {number}").json["payload"]["value"], number, f"key {number}")
            check_equal(ask(address, "PUT", "/request", body, headers).code, "success", "a retried put")
            body["payload"]["value"] = "other"
            check_equal(ask(address, "PUT", "/request", body, headers).status, 409, "another value under its number")


if __name__ == "__main__":
    main([three_of_five_are_lost_for_good,
          what_cannot_be_used_is_refused,
          a_snapshot_with_the_log_after_it_is_recovered])
