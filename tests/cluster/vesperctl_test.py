"""vesperctl: what it prints, its exit statuses, that it waits, and that it ends."""

import contextlib
import http.server
import json
import os
import socket
import subprocess
import threading
import time

from harness import Cluster, check, check_equal, free_ports, get, main, put, run, wait_for


class Pointing(http.server.BaseHTTPRequestHandler):
    """A node that only ever names another as leader, and counts who asked."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked += 1
        body = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Vesper-Outcome", self.server.outcome)
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.server.keys.append(self.headers.get("Idempotency-Key"))
        self.do_GET()

    def do_POST(self):
        """A registration: of a server that speaks the documented API alone, unless it has sessions to give."""
        body = json.dumps({"code": "success", "payload": {"client": self.server.client}}).encode()
        self.send_response(200 if self.server.client else 501)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Doubles:
    """Stand-ins for nodes, each with an answer of its own."""

    def __init__(self, count):
        self.servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pointing)
                        for _ in range(count)]
        self.addresses = [f"http://127.0.0.1:{one.server_address[1]}" for one in self.servers]
        for one in self.servers:
            one.asked = 0
            one.client = None
            one.keys = []
            one.outcome = "rejected"
            one.status = 200
            one.answer = {"code": "fail"}
            threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.servers:
            one.shutdown()
            one.server_close()


class Silent:
    """A node that takes connections and never finishes an answer: it sends `begin`, and then a byte now and then."""

    def __init__(self, begin=b"", byte=b""):
        self.begin, self.byte = begin, byte
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.dribble, args=self.socket.accept()[:1], daemon=True).start()

    def dribble(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.sendall(self.begin)
            while self.socket.fileno() >= 0:
                time.sleep(0.05)
                connection.sendall(self.byte)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def statuses_tell_success_fail_usage_and_no_node(programs):
    ctl = programs.vesperctl
    with Cluster(programs, nodes=3) as cluster:
        cluster.start_all()
        at = cluster.addresses[0]
        for command, status in [
            ([at, "k", "v"], 0), ([at, "k"], 0), ([at, "nobody"], 1), (["put", at, "k", "w"], 0),
            (["get", at, "k"], 0), (["get", at, "nobody"], 1), (["status", at], 0),
            ([at, "get", "a value"], 0), ([at, "get"], 0), ([at, "status"], 1), ([at, ""], 2),
            ([], 2), ([at], 2), ([at, "k", "v", "more"], 2), (["put", at, "k"], 2),
            (["127.0.0.1:1", "k"], 2), (["get", "nowhere", "k"], 2), (["dance"], 2),
            (["http://127.0.0.1:99999", "k"], 2), (["http://127.0.0.1:0", "k"], 2),
            (["http://127.0.0.1/x:5000", "k"], 2), (["http://127.0.0.1 :5000", "k"], 2),
            (["http://a b:5000", "k"], 2), (["https://127.0.0.1:5000", "k"], 2),
            (["cluster", "--dir", "/nowhere", "--base-port", "65533"], 2),
            (["bench", at, "--op", "dance"], 2), (["--help"], 0), ([at, "--help"], 0),
            (["get", "--help"], 0), (["put", "-h"], 0), ([at, "k", "--timeout", "1000"], 0),
            ([at, "k", "v", "--timeout", "1000"], 0), ([at, "k", "v", "--timeout=1000"], 0),
            (["get", at, "k", "--timeout=1000"], 0), (["--timeout", "1000", at, "k"], 0),
            (["put", "--timeout=1000", at, "k", "v"], 0), (["get", at, "k", "v"], 2),
            (["put", at, "k", "--timeout", "1000"], 2), ([at, "k", "v", "--timeout"], 2),
            (["--timeout", "1000"], 2), (["--timeout", "1000", "status", at], 2),
            *[([at, "k", "--timeout", bad], 2)
              for bad in ("-1", "1e16", "18446744073709551615", "86400001", "", "5 ", "five")],
            *[([at, *words], 2) for words in (("\udcff",), ("\udcff", "v"), ("k", "\udcc3("))],
        ]:
            done = run([ctl, *command])
            check_equal(done.returncode, status, f"{command}: {done.stdout} {done.stderr}")
    closed = f"http://127.0.0.1:{free_ports(1)[0]}"
    for command in ([closed, "k", "--timeout", "500"], ["put", closed, "k", "v", "--timeout", "500"],
                    ["status", closed]):
        done = run([ctl, *command])
        check_equal((done.returncode, done.stdout), (3, ""), f"{command}")
        check(closed in done.stderr, f"the address is named: {done.stderr}")


def any_value_goes_as_a_json_string(programs):
    with Cluster(programs, nodes=1) as cluster:
        cluster.start_all()
        at = cluster.addresses[0]
        for value in ["", "7", "-5", "null", "{}", "Grüße 🙂", 'say "hi"\\\n\t', " a ", "http://a:1",
                      "--", "-h", "--help", "--timeout", "--timeout=5", "-x", "--x", "-.5", "put"]:
            for command in ([at, "k", value], ["put", at, "k", value],
                            [at, "k", value, "--timeout", "1000"]):
                put(at, "k", "before")
                done = run([programs.vesperctl, *command])
                check_equal((done.returncode, done.stdout), (0, '{"code":"success"}\n'), f"{command}")
                check_equal(get(at, "k").json["payload"]["value"], value, f"{command}, over HTTP")
            done = run([programs.vesperctl, at, "k"])
            check_equal(json.loads(done.stdout)["payload"]["value"], value, "by vesperctl")
            check_equal(done.stdout.count("\n"), 1, "on one line")


def any_key_is_taken_as_it_stands(programs):
    with Cluster(programs, nodes=1) as cluster:
        cluster.start_all()
        at = cluster.addresses[0]
        for key in ["-k", "-h", "--", "--help", "--timeout", "--timeout=5", "-.5", "get", " k ", "Grüße"]:
            done = run([programs.vesperctl, at, key, "of " + key])
            check_equal((done.returncode, done.stdout), (0, '{"code":"success"}\n'), f"PUT {key!r}")
            check_equal(get(at, key).json["payload"]["value"], "of " + key, "over HTTP")
            for command in ([at, key, "--timeout", "1000"], ["get", at, key], [at, key]):
                if command == [at, "--help"]:
                    continue  # the one question that has the form of a get
                found = json.loads(run([programs.vesperctl, *command]).stdout)
                check_equal(found["payload"], {"key": key, "value": "of " + key}, f"{command}")


def it_waits_through_an_election(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        cluster.put_until_done("k", "before")
        leader = cluster.wait_settled()
        at = cluster.addresses[cluster.follower_of(leader)]
        cluster.kill(leader)
        done = run([programs.vesperctl, at, "k"])
        check_equal(done.returncode, 0, f"GET during an election: {done}")
        check_equal(json.loads(done.stdout)["payload"]["value"], "before", "GET")
        leader = cluster.wait_settled()
        at = cluster.addresses[cluster.follower_of(leader)]
        cluster.kill(leader)
        done = run([programs.vesperctl, at, "k", "after"])
        check_equal(done.returncode, 0, f"PUT during an election: {done}")


def its_patience_has_a_bound(programs):
    with Cluster(programs) as cluster:
        leader = cluster.start_all()
        for node in [n for n in range(5) if n != leader][:3]:
            cluster.kill(node)
        for at in [cluster.addresses[node] for node in cluster.up()]:
            for words in (["k"], ["k", "v"]):
                start = time.monotonic()
                done = run([programs.vesperctl, at, *words, "--timeout", "2000"])
                took = time.monotonic() - start
                check_equal(done.returncode, 1, f"without a majority: {done}")
                check_equal(json.loads(done.stdout)["code"], "fail", "what it prints")
                check(took < 3, f"a timeout of 2 s took {took:.2f} s")


def a_node_that_never_finishes_an_answer_is_told_as_such(programs):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    for begin, byte, why in ((b"", b"", "nothing comes"), (head + b"X: ", b"x", "a header comes slowly"),
                             (head + b"Content-Length: 100000\r\n\r\n", b" ", "a body comes slowly")):
        with Silent(begin, byte) as node:
            for words, status, out, said in (
                ([node.address, "k"], 3, "", f"{node.address} did not answer within 800 ms"),
                ([node.address, "k", "v"], 3, "", f"{node.address} did not answer within 800 ms"),
            ):
                start = time.monotonic()
                done = run([programs.vesperctl, *words, "--timeout", "800"])
                took = time.monotonic() - start
                check_equal((done.returncode, done.stdout), (status, out), f"{why}: {words} {done}")
                check(said in done.stderr, f"{why}: {words}: {done.stderr}")
                check(0.7 < took < 2, f"{why}: a timeout of 0.8 s took {took:.2f} s")
            start = time.monotonic()
            done = run([programs.vesperctl, "status", node.address])
            check_equal(done.returncode, 3, f"{why}: status {done}")
            check(time.monotonic() - start < 3, f"{why}: status ends")
    with Silent() as node, Doubles(1) as doubles:
        doubles.servers[0].answer = {"code": "fail", "payload": {"key": "k", "message": node.address}}
        done = run([programs.vesperctl, doubles.addresses[0], "k", "--timeout", "800"])
        check_equal(done.returncode, 1, f"a leader that does not answer: {done}")
        check(f"{node.address} did not answer" in done.stderr, f"it is named: {done}")


def two_nodes_that_point_at_each_other_end_it(programs):
    with Doubles(2) as doubles:
        for one, other in ((0, 1), (1, 0)):
            doubles.servers[one].answer = {
                "code": "fail", "payload": {"key": "k", "message": doubles.addresses[other]}}
        for words in (["k"], ["k", "v"]):
            start = time.monotonic()
            done = run([programs.vesperctl, doubles.addresses[0], *words, "--timeout", "1500"])
            check(time.monotonic() - start < 3, "it ends within its timeout")
            check_equal(done.returncode, 1, f"{words}")
        asked = sum(one.asked for one in doubles.servers)
        check(4 <= asked < 200, f"with pauses between: {asked} requests")


def a_put_of_unknown_outcome_is_not_repeated(programs):
    with Doubles(2) as doubles:
        node, other = doubles.servers
        node.outcome = "unknown"
        done = run([programs.vesperctl, doubles.addresses[0], "k", "v"])
        check_equal((done.returncode, node.asked), (1, 1), f"unknown: {done}")
        # Nor when the reply names somebody, nor when it says nothing of the outcome.
        plain = node.answer
        node.answer = {"code": "fail", "payload": {"key": "k", "message": doubles.addresses[1]}}
        for outcome, status in (("unknown", 200), ("", 200), ("rejected", 500), ("unknown", 503)):
            node.asked, node.outcome, node.status = 0, outcome, status
            done = run([programs.vesperctl, doubles.addresses[0], "k", "v"])
            check_equal((done.returncode, node.asked, other.asked), (1, 1, 0), f"{outcome}: {done}")
        node.outcome, node.status, other.answer = "", 200, {"code": "success"}
        done = run([programs.vesperctl, doubles.addresses[0], "k"])
        check_equal((done.returncode, other.asked), (0, 1), f"a get goes on: {done}")
        node.answer = plain
        node.outcome = "rejected"
        node.asked = 0
        run([programs.vesperctl, doubles.addresses[0], "k", "v", "--timeout", "1000"])
        check(node.asked > 2, f"rejected is tried again: {node.asked}")


def with_a_session_a_put_is_repeated_until_its_outcome_is_known(programs):
    with Doubles(2) as doubles:
        node, other = doubles.servers
        node.client, node.outcome = 18446744073709551615, "unknown"
        key = f"{node.client}/1"
        done = run([programs.vesperctl, doubles.addresses[0], "k", "v", "--timeout", "1000"])
        check_equal((done.returncode, done.stdout), (1, '{"code": "fail"}\n'), f"{done}")
        check("may yet take effect" in done.stderr, f"{done}")
        check(len(node.keys) > 2 and set(node.keys) == {key}, f"one number for all tries: {node.keys}")
        # Whatever a later try is told of itself, the first one's outcome stays unknown.
        node.keys.clear()
        node.answer = {"code": "fail", "payload": {"key": "k", "value": "v", "message": doubles.addresses[1]}}
        done = run([programs.vesperctl, doubles.addresses[0], "k", "v", "--timeout", "1000"])
        check("may yet take effect" in done.stderr, f"{done}")
        check(other.keys and set(other.keys + node.keys) == {key}, f"the number goes along: {other.keys}")
        other.answer, other.keys = {"code": "success"}, []
        done = run([programs.vesperctl, doubles.addresses[0], "k", "v"])
        check_equal((done.returncode, other.keys), (0, [key]), f"settled by another node: {done}")
        node.answer, node.status = {"code": "fail", "error": "expired"}, 409
        node.keys.clear()
        done = run([programs.vesperctl, doubles.addresses[0], "k", "v"])
        check_equal((done.returncode, node.keys), (1, [key]), f"a refusal is final: {done}")
        check("expired" in done.stdout, f"{done}")


def status_shows_every_node_and_who_leads(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        leader = cluster.wait_settled()
        done = run([programs.vesperctl, "status", cluster.addresses[0]])
        check_equal(done.returncode, 0, f"{done}")
        for node, address in enumerate(cluster.addresses):
            line = next((one for one in done.stdout.splitlines() if address in one), "")
            role = "leader" if node == leader else "follower"
            check(role in line, f"node {node} is {role}: {done.stdout}")
        dead = next(n for n in range(1, 5) if n != leader)
        cluster.kill(dead)
        done = run([programs.vesperctl, "status", cluster.addresses[0]])
        line = next(one for one in done.stdout.splitlines() if cluster.addresses[dead] in one)
        check("unreachable" in line, f"the dead node is shown as such: {done.stdout}")


def bench_counts_and_measures(programs):
    with Cluster(programs, nodes=3) as cluster:
        cluster.start_all()
        cluster.wait_settled()
        at = cluster.addresses[0]
        for op in ("put", "get", "mixed"):
            done = run([programs.vesperctl, "bench", at, "--clients", "4", "--seconds", "1", "--op",
                        op, "--value-size", "64", "--keys", "50", "--json"])
            check_equal(done.returncode, 0, f"{done}")
            found = json.loads(done.stdout)
            check(found["ok"] > 0, f"{op}: {found}")
            check(0 < found["p50_ms"] <= found["p99_ms"] <= found["p999_ms"], f"{op}: {found}")
            rate = found["ok"] / found["seconds"]
            check(abs(rate - found["per_second"]) < rate / 50, f"{op}: {found}")
        text = run([programs.vesperctl, "bench", at, "--seconds", "0.5"]).stdout
        check(all(word in text for word in ("p50", "p99", "p99.9", "/s")), f"as text: {text}")


def bench_with_sessions_fails_no_put_through_two_leaders_deaths(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        file = os.path.join(cluster.dir, "history")
        bench = cluster.spawn([programs.vesperctl, "bench", cluster.addresses[0], "--clients", "8", "--seconds", "8",
                               "--op", "mixed", "--keys", "5", "--sessions", "--json", "--history", file],
                              stdout=subprocess.PIPE, text=True)
        for _ in range(2):
            time.sleep(1)
            leader = cluster.wait_settled()
            cluster.kill(leader)
            cluster.wait_settled()
            cluster.start(leader)
        found = json.loads(bench.communicate(timeout=60)[0])
        with open(file) as lines:
            puts = [one for one in map(json.loads, lines) if one["op"] == "put"]
        check(len(puts) > 100, f"{found}")
        check_equal([one for one in puts if one["outcome"] != "ok"], [], "puts that did not succeed")
        done = run([programs.vesper_sim, "check", file])
        check(done.stdout.splitlines()[-1].startswith("PASS"), f"{done}")


def bench_get_puts_every_key_first_and_its_history_is_whole(programs):
    with Cluster(programs, nodes=3) as cluster:
        cluster.start_all()
        at = cluster.addresses[cluster.follower_of(cluster.wait_settled())]
        file = os.path.join(cluster.dir, "history")
        done = run([programs.vesperctl, "bench", at, "--clients", "4", "--seconds", "1", "--op", "get",
                    "--keys", "50", "--json", "--history", file])
        check_equal(done.returncode, 0, f"{done}")
        with open(file) as lines:
            history = [json.loads(line) for line in lines]
        gets = [one for one in history if one["op"] == "get" and one["outcome"] == "ok"]
        puts = [one for one in history if one["op"] == "put"]
        check(all(one["op"] == "put" for one in history[:len(puts)]), "the puts come first")
        check_equal(len({one["key"] for one in puts if one["outcome"] == "ok"}), 50, "keys that are put")
        check_equal(len(gets), json.loads(done.stdout)["ok"], "gets")
        check(gets and all(one["value"] for one in gets), "every get finds its key")
        done = run([programs.vesper_sim, "check", file])
        check(done.stdout.splitlines()[-1].startswith("PASS"), f"{done}")


def bench_get_gives_up_when_it_cannot_put_its_keys(programs):
    with Cluster(programs, nodes=3) as cluster:
        leader = cluster.start_all()
        at = cluster.addresses[leader]
        bench = [programs.vesperctl, "bench", at, "--seconds", "30", "--op", "get"]
        done = run([*bench, "--value-size", "1000000", "--keys", "1", "--history", "/nowhere/history"],
                   timeout=10)
        check_equal((done.returncode, done.stdout), (1, ""), "a history that cannot be written")
        check("/nowhere/history could not be written" in done.stderr, f"{done}")
        for node in range(3):
            if node != leader:
                cluster.kill(node)
        start = time.monotonic()
        done = run([*bench, "--keys", "100", "--fill-seconds", "1"])
        check(time.monotonic() - start < 5, "it ends soon")
        check_equal((done.returncode, done.stdout), (1, ""), f"without a majority: {done}")
        check("0 of 100 keys were put within 1 s" in done.stderr, f"it says why: {done}")


main([
    statuses_tell_success_fail_usage_and_no_node,
    any_value_goes_as_a_json_string,
    any_key_is_taken_as_it_stands,
    it_waits_through_an_election,
    its_patience_has_a_bound,
    a_node_that_never_finishes_an_answer_is_told_as_such,
    two_nodes_that_point_at_each_other_end_it,
    a_put_of_unknown_outcome_is_not_repeated,
    with_a_session_a_put_is_repeated_until_its_outcome_is_known,
    status_shows_every_node_and_who_leads,
    bench_counts_and_measures,
    bench_with_sessions_fails_no_put_through_two_leaders_deaths,
    bench_get_puts_every_key_first_and_its_history_is_whole,
    bench_get_gives_up_when_it_cannot_put_its_keys,
])
