"""vesperctl backup and restore on real clusters, and vesperctl wal on the directories that they leave: a backup taken
under load holds all that was acknowledged before it, a new cluster begins with it, old and new refuse each other, no
session's name is issued twice, and damage is named."""

import glob
import json
import os
import shutil
import signal

from harness import Cluster, ask, check, check_equal, get, main, put, run, wait_for
from load import Load

GAP = 1 << 40


def session_put(address, client, number, key, value):
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"{client}/{number}"}
    return ask(address, "PUT", "/request", {"type": "put", "payload": {"key": key, "value": value}}, headers)


def register(cluster):
    leader = cluster.wait_settled()
    reply = ask(cluster.addresses[leader], "POST", "/session", b"")
    check_equal(reply.code, "success", "a registration")
    return leader, reply.json["payload"]["client"]


def restored(programs, file, nodes=5, where=None):
    """A new cluster that begins with the backup; not started."""
    cluster = Cluster(programs, nodes=nodes)
    directory = where or os.path.join(cluster.dir, "restored")
    done = run([programs.vesperctl, "restore", file, directory, "--nodes", nodes])
    check_equal(done.returncode, 0, f"restore's exit status: {done.stderr}")
    cluster.data_dir = lambda node: os.path.join(directory, f"n{node}")
    return cluster


def a_backup_under_load_is_restored_into_a_new_cluster(programs):
    with Cluster(programs) as old:
        old.start_all()
        for number in range(200):
            old.put_done(f"early {number}", number)
        leader, client = register(old)
        check_equal(session_put(old.addresses[leader], client, 1, "once", "first").code, "success", "a session's put")
        load = Load(old, seconds=6)
        for number in range(20):
            old.put_done(f"beside {number}", number)
        file = os.path.join(old.dir, "backup")
        at = old.addresses[old.follower_of(old.wait_leader())]
        done = run([programs.vesperctl, "backup", at, file])
        check_equal(done.returncode, 0, f"backup's exit status: {done.stderr}")
        check(old.wait_leader() is not None, "the cluster serves on")
        load.finish()
        check_equal(sorted(glob.glob(file + "*")), [file], "files of the backup")
        old.put_done("after the backup", 1)
        leader, late = register(old)
        check_equal(session_put(old.addresses[leader], late, 1, "late", "old").code, "success", "a later session's put")
        for node in list(old.processes):
            old.kill(node)

        with restored(programs, file) as new:
            leader = new.start_all()
            address = new.addresses[leader]
            for prefix, count in (("early", 200), ("beside", 20)):
                for number in range(count):
                    value = get(address, f"{prefix} {number}").json["payload"]["value"]
                    check_equal(value, number, "what was put before")
            check_equal(get(address, "after the backup").code, "fail", "what was put after the backup")
            # The session that the backup holds goes on; one of after it is unknown, and its name is never given again.
            check_equal(session_put(address, client, 1, "once", "first").code, "success", "a retried put")
            check_equal(session_put(address, client, 1, "once", "other").status, 409, "another value under its number")
            refused = session_put(address, late, 1, "late", "old")
            check_equal((refused.status, get(address, "late").code), (409, "fail"), f"a session of after it: {refused}")
            _, fresh = register(new)
            check(fresh > late + GAP // 2, f"a new session's name lies far above the old ones: {fresh}, {late}")
            new.put_done("new", 1)
            check(new.status(leader)["cluster"] != "", "it has an id")
            # A node of the old cluster in the place of one of the new.
            node = new.follower_of(new.wait_leader())
            new.kill(node)
            stray = new.start(node, data_dir=old.data_dir(node))
            check_equal(stray.wait(timeout=10), 1, "the stray's exit status")
            check("another cluster" in new.log(node), f"it says why: {new.log(node)[-300:]}")
            new.put_done("still", 1)
            # And the other way round.
            stray_home = new.data_dir(node)
            for other in range(5):
                if other != node:
                    old.start(other)
            old.wait_leader()
            stray = old.start(node, data_dir=stray_home)
            check_equal(stray.wait(timeout=10), 1, "the other stray's exit status")
            check("another cluster" in old.log(node), "it says why")
            old.put_done("still", 1)


def a_restored_cluster_of_another_size_restarts_and_grows_a_log(programs):
    with Cluster(programs, nodes=1) as old:
        old.start_all()
        for number in range(50):
            old.put_done(f"key {number}", "x" * 5000)
        file = os.path.join(old.dir, "backup")
        check_equal(run([programs.vesperctl, "backup", old.addresses[0], file]).returncode, 0, "backup")
        with restored(programs, file, nodes=3) as new:
            options = ["--snapshot-entries", "100", "--trailing-entries", "10"]
            for _ in range(2):
                for node in range(3):
                    new.start(node, *options)
                new.wait_settled()
                for number in range(150):
                    new.put_done(f"more {number}", number)
                for node in range(3):
                    new.kill(node)
            for node in range(3):
                done = run([programs.vesperctl, "wal", "verify", new.data_dir(node)])
                check(done.returncode in (0, 1), f"verify: {done.stdout}")
                new.start(node, *options)
            leader = new.wait_settled()
            check_equal(get(new.addresses[leader], "key 49").json["payload"]["value"], "x" * 5000, "an old value")
            check_equal(get(new.addresses[leader], "more 149").json["payload"]["value"], 149, "a new value")
            check(new.status(leader)["base"] > GAP, "its log was cut")


def no_half_file_is_left_and_damage_is_refused(programs):
    with Cluster(programs, nodes=3) as cluster:
        leader = cluster.start_all()
        for number in range(300):
            cluster.put_done(f"key {number}", "x" * 5000)
        file = os.path.join(cluster.dir, "backup")
        address = cluster.addresses[leader]
        check_equal(run([programs.vesperctl, "backup", address, file]).returncode, 0, "backup")
        with open(file, "rb") as whole:
            good = whole.read()

        # Without a majority nothing is up to date, and the earlier file stays as it is.
        cluster.kill(cluster.follower_of(leader))
        cluster.kill(cluster.follower_of(leader))
        done = run([programs.vesperctl, "backup", address, file, "--timeout", "1000"])
        check_equal(done.returncode, 1, f"without a majority: {done.stderr}")
        with open(file, "rb") as whole:
            check(whole.read() == good, "the earlier backup is as it was")
        done = run([programs.vesperctl, "backup", "http://127.0.0.1:1", file + "2", "--timeout", "200"])
        check_equal(done.returncode, 3, "nobody there")
        check_equal(sorted(glob.glob(file + "*")), [file], "what is left")

        for name, bad in (("cut", good[:-1]), ("empty", b""),
                          ("flipped", good[:9000] + bytes([good[9000] ^ 4]) + good[9001:])):
            with open(file + "." + name, "wb") as damaged:
                damaged.write(bad)
            where = os.path.join(cluster.dir, name)
            done = run([programs.vesperctl, "restore", file + "." + name, where])
            check_equal(done.returncode, 1, f"{name}: {done.stderr}")
            check("at offset" in done.stderr and f"backup.{name}" in done.stderr, f"it says where: {done.stderr}")
            check(not os.path.exists(where) and not os.path.exists(where + ".part"), "nothing is left")
        where = os.path.join(cluster.dir, "twice")
        check_equal(run([programs.vesperctl, "restore", file, where]).returncode, 0, "restore")
        check_equal(run([programs.vesperctl, "restore", file, where]).returncode, 1, "restore over it")


def wal_verify_and_dump_show_what_a_directory_holds(programs):
    with Cluster(programs, nodes=1) as cluster:
        cluster.start(0, "--segment-size", "1", "--snapshot-entries", "40", "--trailing-entries", "5")
        leader, client = register(cluster)
        check_equal(session_put(cluster.addresses[leader], client, 1, "one", "first").code, "success", "a put")
        for number in range(70):
            cluster.put_done(f"key {number}", number)
        wait_for(lambda: cluster.status(0)["snapshot"] >= 40, 5, "a snapshot")
        directory = cluster.data_dir(0)
        verify = [programs.vesperctl, "wal", "verify", directory]
        dump = [programs.vesperctl, "wal", "dump", directory]
        in_use = run(verify)
        check_equal(in_use.returncode, 2, "while a node has it")
        check("in use" in in_use.stdout, in_use.stdout)
        last = cluster.status(0)["last"]
        cluster.processes[0].send_signal(signal.SIGTERM)
        check_equal(cluster.processes.pop(0).wait(timeout=5), 0, "the node ends")

        before = {name: os.stat(os.path.join(directory, name)).st_mtime_ns for name in os.listdir(directory)}
        done = run(verify)
        check_equal(done.returncode, 0, f"verify: {done.stdout}{done.stderr}")
        check(f"to {last}, term" in done.stdout and "snapshot" in done.stdout, f"what is whole: {done.stdout}")
        text = run(dump)
        check_equal(text.returncode, 0, "dump")
        check('put "key 69" "69"' in text.stdout, text.stdout[-500:])
        check(f'put "one" "\\"first\\"" of {client}/1' in text.stdout, text.stdout[:2000])
        records = [json.loads(line) for line in run([*dump, "--json"]).stdout.splitlines()]
        entries = [record for record in records if record["record"] == "entry"]
        check_equal(entries[-1]["index"], last, "the last entry")
        check_equal((entries[-1]["key"], entries[-1]["value"]), ("key 69", "69"), "its put")
        check_equal(records[0]["record"], "snapshot", "the snapshot comes first")
        after = {name: os.stat(os.path.join(directory, name)).st_mtime_ns for name in os.listdir(directory)}
        check_equal(after, before, "the directory is as it was")

        # A torn tail: the last group's mark and body gone. Damage: a flipped bit before it.
        segment = entries[-1]["file"]
        copy = os.path.join(cluster.dir, "copy")
        for name, at, status, says in (("torn", entries[-1]["offset"], 1, "torn"), ("damaged", entries[-9]["offset"], 2, "damaged")):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(directory, copy)
            with open(os.path.join(copy, segment), "r+b") as file:
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 1]))
                if name == "torn":
                    group = at // 512 * 512
                    file.seek(group + 512)
                    file.write(bytes(1024))
            done = run([programs.vesperctl, "wal", "verify", copy])
            check_equal(done.returncode, status, f"{name}: {done.stdout}")
            line = next(line for line in done.stdout.splitlines() if line.startswith(says + ": segment"))
            check(segment in line and "at offset" in line, f"{name}: {line}")
            dumped = run([programs.vesperctl, "wal", "dump", copy])
            check_equal(dumped.returncode, status, f"dump, {name}")
            check("key 50" in dumped.stdout, f"what stands before it is shown: {dumped.stdout[-300:]}")
            if name == "damaged":
                check("before it the log holds entries" in line, line)


if __name__ == "__main__":
    main([a_backup_under_load_is_restored_into_a_new_cluster,
          a_restored_cluster_of_another_size_restarts_and_grows_a_log,
          no_half_file_is_left_and_damage_is_refused,
          wal_verify_and_dump_show_what_a_directory_holds])
