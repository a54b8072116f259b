"""Every row and bullet of the documented REST API, made exact, at a real cluster."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import time

from harness import (ANSWER_SECONDS_MAX, Cluster, ask, check, check_equal, get, main, put, run,
                     wait_for)

# JSON texts, because a library's own numbers would lose the digits that this is about.
VALUES = [
    '"Leslie Lamport"', '""', '"\\u0000"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"Grüße, 世界 🙂"', '"\\ud83d\\ude42"',
    "null", "true", "false", "0", "-0", "-1", "1e400", "-1.5E-300", "3.141592653589793238462643383279",
    "12345678901234567890123456789012345678901234567890", "18446744073709551615",
    "-9223372036854775809", "1.0", "1.10", "[]", "{}", "[[[[[]]]]]",
    '{"a":{"b":[1,2.50,{"c":null}]},"":"","a b":"ü"}', '[1,"two",null,true,{"three":3.0}]',
    '{"b":1,"a":2,"b":3}',
]
BAD_REQUESTS = [
    ("PUT", b"", "no body"),
    ("GET", b"", "no body"),
    ("PUT", b"name=Leslie", "not JSON"),
    ("PUT", b'{"type":"put","payload":{"key":"k","value":1}', "JSON cut short"),
    ("PUT", b'{"payload":{"key":"k","value":1}} x', "something after the JSON"),
    ("PUT", b'{"payload":{"key":"k","value":01}}', "a number that is none"),
    ("PUT", b'{"payload":{"key":"k","value":"\xff\xfe"}}', "a value that is not UTF-8"),
    ("PUT", b'{"payload":{"key":"\xc3","value":1}}', "a key that is not UTF-8"),
    ("PUT", b"[]", "not an object"),
    ("PUT", b'"k"', "not an object"),
    ("PUT", b'{"type":"put"}', "no payload"),
    ("PUT", b'{"payload":[]}', "a payload that is not an object"),
    ("PUT", b'{"payload":{"value":1}}', "no key"),
    ("GET", b'{"payload":{}}', "no key"),
    ("PUT", b'{"payload":{"key":"","value":1}}', "an empty key"),
    ("GET", b'{"payload":{"key":""}}', "an empty key"),
    ("PUT", b'{"payload":{"key":7,"value":1}}', "a key that is a number"),
    ("GET", b'{"payload":{"key":null}}', "a key that is null"),
    ("GET", b'{"payload":{"key":["k"]}}', "a key that is an array"),
    ("PUT", b'{"payload":{"key":"k"}}', "a PUT without value"),
]


def put_text(address, key, text):
    body = f'{{"type":"put","payload":{{"key":{json.dumps(key)},"value":{text}}}}}'
    return ask(address, "PUT", "/request", body)


def meaning(text):
    """A JSON text as a value that keeps the digits of its numbers."""
    return json.loads(text, parse_float=lambda digits: ("number", digits),
                      parse_int=lambda digits: ("number", digits), object_pairs_hook=tuple)


def values_come_back_as_they_were_sent(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        for count, text in enumerate(VALUES):
            cluster.put_done(f"k{count}", text, send=put_text)
        for count, text in enumerate(VALUES):
            reply = cluster.get_until_answered(f"k{count}")
            check_equal(reply.status, 200, f"status of GET {text}")
            expected = meaning(f'{{"code":"success","payload":{{"key":"k{count}","value":{text}}}}}')
            check_equal(meaning(reply.body), expected, f"GET of {text}")
            check(reply.headers["Content-Type"].startswith("application/json"), "Content-Type")


def keys_are_any_text_up_to_four_kibibytes(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        keys = ["k", " ", "a/b", "a%2Fb", "a\nb", "Grüße", "🙂", "\x00", '"', "x" * 4096, "get", "put"]
        for key in keys:
            cluster.put_done(key, "of " + key[:9])
        for key in keys:
            expected = {"code": "success", "payload": {"key": key, "value": "of " + key[:9]}}
            check_equal(cluster.get_until_answered(key).json, expected, f"GET {key[:20]!r}")


def type_is_optional_and_the_method_rules(programs):
    with Cluster(programs) as cluster:
        at = cluster.addresses[cluster.start_all()]
        body = {"type": "get", "payload": {"key": "k", "value": "1"}}
        check_equal(ask(at, "PUT", "/request", body).code, "success", "a PUT of type get")
        found = ask(at, "GET", "/request", {"type": "put", "payload": {"key": "k", "value": "2"}})
        check_equal(found.json["payload"]["value"], "1", "a GET of type put reads")
        found = ask(at, "GET", "/request", {"payload": {"key": "k"}})
        check_equal(found.json["payload"]["value"], "1", "a GET without a type")


def an_absent_key_and_an_election_differ(programs):
    with Cluster(programs) as cluster:
        leader = cluster.start_all()
        absent = get(cluster.addresses[leader], "nobody")
        check_equal((absent.status, absent.json, absent.outcome), (200, {"code": "fail"}, None),
                    "GET of an absent key")
        for node in [n for n in range(5) if n != leader][:3]:
            cluster.kill(node)
        wait_for(lambda: not any((cluster.status(n) or {"role": "leader"})["role"] == "leader"
                                 for n in cluster.up()), 10, "the leader steps down")
        wait_for(lambda: not get(cluster.addresses[leader], "k").message, 10, "no leader is known")
        for reply in (get(cluster.addresses[leader], "nobody"),
                      put(cluster.addresses[leader], "nobody", 1)):
            check_equal((reply.status, reply.json, reply.outcome), (200, {"code": "fail"}, "rejected"),
                        "without a leader")


def a_follower_names_the_leader_by_its_line(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        leader = cluster.wait_settled()
        value = {"big": 12345678901234567890, "null": None}
        for node in [n for n in range(5) if n != leader]:
            reply = get(cluster.addresses[node], "k")
            expected = {"key": "k", "message": cluster.addresses[leader]}
            check_equal((reply.status, reply.json), (200, {"code": "fail", "payload": expected}),
                        f"GET at follower {node}")
            check_equal(reply.outcome, "rejected", f"the outcome of a GET at follower {node}")
            reply = put(cluster.addresses[node], "k", value)
            check_equal((reply.status, reply.json),
                        (200, {"code": "fail", "payload": {**expected, "value": value}}),
                        f"PUT at follower {node}")
            check_equal(reply.outcome, "rejected", f"the outcome of a PUT at follower {node}")


def a_leader_cut_off_from_its_majority_fails_in_time(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        took = {"GET": [], "PUT": []}
        for count in range(3):
            cluster.wait_settled()
            leader = cluster.put_done("k", f"before {count}")
            at = cluster.addresses[leader]
            others = [n for n in range(5) if n != leader][:3]
            for node in others:
                cluster.pause(node)
            for attempt in range(4):
                for name, method in (("GET", lambda: get(at, "k")), ("PUT", lambda: put(at, "k", "during"))):
                    start = time.monotonic()
                    reply = method()
                    if attempt == 0:  # it waits for the server's own limit; later the leader has stepped down
                        took[name].append(time.monotonic() - start)
                    check_equal((reply.status, reply.code), (200, "fail"), "cut off")
                    check(reply.outcome in ("rejected", "unknown"), f"the outcome is told: {reply}")
            for node in others:
                cluster.resume(node)
        for name, seconds in took.items():
            # The best: the rest is what the machine does meanwhile.
            check(min(seconds) < ANSWER_SECONDS_MAX and max(seconds) < 3, f"{name} took {seconds} s")


def bad_input_is_refused_and_changes_nothing(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        at = cluster.addresses[cluster.put_done("k", "before")]
        for method, body, why in BAD_REQUESTS:
            reply = ask(at, method, "/request", body)
            check_equal((reply.status, reply.code), (400, "fail"), f"{method} with {why} {body}")
            check(reply.json["error"], f"{method} with {why}: the error says what")
        reply = cluster.get_until_answered("k")
        check_equal(reply.json["payload"]["value"], "before", "the value after it all")


def other_methods_paths_and_sizes_are_refused(programs):
    with Cluster(programs) as cluster:
        at = cluster.addresses[cluster.start_all()]
        for method in ("POST", "DELETE", "PATCH"):
            reply = ask(at, method, "/request", {"payload": {"key": "k", "value": 1}})
            check_equal((reply.status, reply.code), (405, "fail"), method)
            allowed = {one.strip() for one in reply.headers.get("Allow", "").split(",")}
            check({"GET", "PUT"} <= allowed, f"{method}: Allow names GET and PUT: {allowed}")
        for path in ("/", "/requests", "/request/k", "/favicon.ico"):
            reply = ask(at, "GET", path, {"payload": {"key": "k"}})
            check_equal((reply.status, reply.code), (404, "fail"), path)
        reply = put(at, "k" * 4097, 1)
        check_equal((reply.status, reply.code), (413, "fail"), "a key over 4 KiB")
        check_equal(get(at, "k" * 4097).status, 413, "GET of a key over 4 KiB")
        try:
            reply = put(at, "k", "v" * (1 << 20))
            check_equal((reply.status, reply.code), (413, "fail"), "a body over 1 MiB")
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused by the head alone, while this side still wrote
        cluster.put_done("k", "v" * 1_000_000)  # a body under 1 MiB
        reply = cluster.get_until_answered("k")
        check_equal(len(reply.json["payload"]["value"]), 1_000_000, "and back")


def a_body_over_the_limit_is_refused_by_its_head(programs):
    with Cluster(programs) as cluster:
        at = cluster.addresses[cluster.start_all()]
        host, port = at.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"PUT /request HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")
            answer = connection.recv(4096)
        check(answer.startswith(b"HTTP/1.1 413"), f"413 before the body: {answer[:80]}")


def a_kept_connection_serves_many_requests(programs):
    with Cluster(programs, nodes=1) as cluster:
        at = cluster.addresses[cluster.start_all()]
        host, port = at.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        connection.connect()
        first = connection.sock
        for count in range(200):
            body = json.dumps({"payload": {"key": "k", "value": count}})
            connection.request("PUT", "/request", body)
            check_equal(json.loads(connection.getresponse().read()), {"code": "success"}, "PUT")
            connection.request("GET", "/request", '{"payload":{"key":"k"}}')
            found = json.loads(connection.getresponse().read())
            check_equal(found["payload"]["value"], count, "GET with a body on the same connection")
        check(connection.sock is first, "the connection was kept")
        connection.close()


def an_overloaded_node_says_so_at_once(programs):
    with Cluster(programs, nodes=1) as cluster, contextlib.ExitStack() as idle:
        at = cluster.addresses[0]
        host, port = at.removeprefix("http://").split(":")
        cluster.start(0, "--max-connections", "8")
        cluster.wait_leader()
        wait_for(lambda: cluster.status(0)["connections"] == 1, 3, "only the one that asks")
        for _ in range(8):
            idle.enter_context(socket.create_connection((host, int(port)), timeout=5))
        for method in (lambda: get(at, "k"), lambda: put(at, "k", 1)):
            took = []
            for _ in range(5):
                start = time.monotonic()
                reply = wait_for(lambda asked=method: overload_of(asked), 10, "a 503")
                took.append(time.monotonic() - start)
            check(min(took) < ANSWER_SECONDS_MAX, f"at once: {took}")
            check_equal((reply.code, reply.outcome), ("fail", "rejected"), "overloaded")
            check(int(reply.headers["Retry-After"]) >= 0, "Retry-After")
            check(reply.json["error"], "the error says what")
        idle.close()
        wait_for(lambda: (cluster.status(0) or {}).get("connections") == 1, 3, "they are gone")
        check_equal(get(at, "k").json, {"code": "fail"}, "the PUT that was refused has no effect")


def requests_beyond_the_bound_are_refused_at_once(programs):
    """On connections that are kept: the requests that wait hold their places until they are answered."""
    with Cluster(programs, nodes=3) as cluster:
        for node in range(3):
            # A leader that cannot reach the others stays one for as long as its requests wait.
            cluster.start(node, "--max-requests", "4", "--election-timeout-min", "3000", "--election-timeout-max", "3500")
        leader = cluster.wait_leader(20)
        at = cluster.addresses[leader]
        others = [node for node in range(3) if node != leader]
        for node in others:
            cluster.pause(node)
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            asked = [pool.submit(put, at, f"k{number}", number) for number in range(10)]
            check_equal(ask(at, "GET", "/status").status, 200, "an operator is served")
            replies = [request.result() for request in asked]
        waited = [reply for reply in replies if reply.outcome == "unknown"]
        refused = [reply for reply in replies if reply.status == 503]
        check_equal((len(waited), len(refused)), (4, 6), f"as many as may wait, and the rest: {replies}")
        for reply in refused:
            check_equal((reply.code, reply.outcome), ("fail", "rejected"), "overloaded")
            check(int(reply.headers["Retry-After"]) >= 0, "Retry-After")
        for node in others:
            cluster.resume(node)
        cluster.put_until_done("k", 1)


def overload_of(method):
    # The node may close before it read the request: then this side meets a reset.
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        reply = method()
        return reply if reply.status == 503 else None


def a_wrong_ip_list_is_named_by_file_and_line(programs):
    with Cluster(programs, nodes=1) as cluster:
        first = cluster.addresses[0]
        cases = [
            (f"{first}\nhttp://127.0.0.1\n", 2, "no port"),
            (f"{first}\n\n# more\n127.0.0.1:5001\n", 4, "no http://"),
            (f"{first}\nhttp://127.0.0.1:99999\n", 2, "a port that is none"),
            (f"{first}\nhttp://127.0.0.1:0\n", 2, "port 0"),
            (f"{first}\n{first}", 2, "a repeated line"),
            (f"https://127.0.0.1:5000\n{first}", 1, "https"),
            (f"{first}\nhttp://127.0.0.1:5001/path\n", 2, "a path"),
        ]
        for text, line, why in cases:
            file = os.path.join(cluster.dir, "bad.txt")
            with open(file, "w") as out:
                out.write(text)
            done = run([programs.vesperd, "0", file, "--data-dir", cluster.data_dir(0)])
            check(done.returncode not in (0, -6, -11), f"{why}: exit status {done.returncode}")
            named = f"{file}:{line}" in done.stderr or (file in done.stderr and
                                                        f"line {line}" in done.stderr)
            check(named, f"{why}: file and line {line} are named: {done.stderr!r}")
        with open(file, "w") as out:
            out.write(f"# one node\n\n{first}\n\n")
        done = run([programs.vesperd, "1", file, "--data-dir", cluster.data_dir(0)])
        check(done.returncode not in (0, -6, -11), "an id beyond the list is refused")
        cluster.start(0, ip_list=file)
        cluster.wait_leader()
        check_equal(put(first, "k", 1).code, "success", "blank lines and comments are skipped")


main([
    values_come_back_as_they_were_sent,
    keys_are_any_text_up_to_four_kibibytes,
    type_is_optional_and_the_method_rules,
    an_absent_key_and_an_election_differ,
    a_follower_names_the_leader_by_its_line,
    a_leader_cut_off_from_its_majority_fails_in_time,
    bad_input_is_refused_and_changes_nothing,
    other_methods_paths_and_sizes_are_refused,
    a_body_over_the_limit_is_refused_by_its_head,
    a_kept_connection_serves_many_requests,
    an_overloaded_node_says_so_at_once,
    requests_beyond_the_bound_are_refused_at_once,
    a_wrong_ip_list_is_named_by_file_and_line,
])
