"""Client sessions at a real cluster: a PUT with an Idempotency-Key takes effect once, whatever dies meanwhile."""

import contextlib
import http.client
import json
import threading
import time

from harness import Cluster, ask, check, check_equal, get, main, put, wait_for

SESSIONS_MAX = 4096
NUMBERS_MAX = 64


def put_once(address, key, value, idempotency_key, timeout=5.0):
    body = {"type": "put", "payload": {"key": key, "value": value}}
    headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
    return ask(address, "PUT", "/request", body, headers=headers, timeout=timeout)


def by_leader(cluster, what, send, seconds=15.0):
    """What `send(address)` is told by a leader in the end. For what may be sent again: whoever is up is asked until
    the reply is neither a redirect nor a failure of its try."""
    def tried():
        for node in cluster.up():
            with contextlib.suppress(OSError, http.client.HTTPException):
                reply = send(cluster.addresses[node])
                if reply.code == "success" or reply.status == 409:
                    return reply
        return None
    return wait_for(tried, seconds, what)


def register(cluster):
    reply = by_leader(cluster, "a session", lambda at: ask(at, "POST", "/session", timeout=1.5))
    check_equal(list(reply.json["payload"]), ["client"], f"a registration: {reply}")
    return reply.json["payload"]["client"]


def put_retried(cluster, key, value, idempotency_key):
    return by_leader(cluster, f"PUT {idempotency_key}",
                     lambda at: put_once(at, key, value, idempotency_key, timeout=1.5))


def value_of(cluster, key):
    return cluster.get_until_answered(key, seconds=15).json["payload"]["value"]


def a_retried_put_is_applied_once_across_leader_death_and_full_restart(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        client, other = register(cluster), register(cluster)
        check(client != other, f"two sessions: {client} and {other}")
        check_equal(put_retried(cluster, "k", "A", f"{client}/1").body, '{"code":"success"}', "the first try of A")
        check_equal(put_retried(cluster, "k", "B", f"{client}/2").code, "success", "B")

        def retry_finds(value, when):
            again = put_retried(cluster, "k", "A", f"{client}/1")
            check_equal((again.status, again.body), (200, '{"code":"success"}'), f"A again, {when}")
            check_equal(value_of(cluster, "k"), value, f"the value, {when}")

        retry_finds("B", "at once")
        cluster.kill(cluster.wait_settled())
        retry_finds("B", "under another leader")
        put_retried(cluster, "k", "C", f"{other}/1")
        for node in list(cluster.up()):
            cluster.kill(node)
        for node in range(5):
            cluster.start(node)
        retry_finds("C", "after all died")
        check_equal(put_retried(cluster, "k", "B", f"{client}/2").code, "success", "B again")
        check_equal(value_of(cluster, "k"), "C", "the last that was put")
        check_equal(put_retried(cluster, "k", "D", f"{client}/3").code, "success", "the next number")
        check_equal(value_of(cluster, "k"), "D", "takes effect")


def a_put_of_unknown_outcome_is_settled_by_its_retry(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        client = register(cluster)
        for number in range(1, 4):
            leader = cluster.wait_settled()
            followers = [node for node in cluster.up() if node != leader]
            for node in followers:
                cluster.pause(node)
            first = put_once(cluster.addresses[leader], "k", number, f"{client}/{number}")
            check_equal((first.code, first.outcome), ("fail", "unknown"), f"without a majority: {first}")
            cluster.kill(leader)
            for node in followers:
                cluster.resume(node)
            check_equal(put_retried(cluster, "k", number, f"{client}/{number}").code, "success", "its retry")
            cluster.put_done("k", "another's")
            cluster.start(leader)
            cluster.wait_settled()
            again = put_retried(cluster, "k", number, f"{client}/{number}")
            check_equal(again.code, "success", "a late retry")
            check_equal(value_of(cluster, "k"), "another's", "what a late retry leaves")


def tries_at_all_nodes_at_once_are_one_put(programs):
    with Cluster(programs) as cluster:
        leader = cluster.start_all()
        client = register(cluster)
        stop = threading.Event()
        told = []

        def try_again_and_again(number, address):
            while not stop.is_set():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    reply = put_once(address, f"k{number}", f"first {number}", f"{client}/{number}", timeout=1.5)
                    if reply.code == "success" or reply.status == 409:
                        told.append(reply)
                time.sleep(0.01)

        threads = [threading.Thread(target=try_again_and_again, args=(number, address))
                   for number in (1, 2) for address in cluster.addresses]
        for thread in threads:
            thread.start()
        try:
            for number in (1, 2):
                wait_for(lambda key=f"k{number}": value_of(cluster, key).startswith("first"), 10, "the put")
                cluster.put_until_done(f"k{number}", "second")
            cluster.kill(leader)
            cluster.put_until_done("k1", "third", seconds=15)
            time.sleep(0.5)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        check(len(told) > 20 and all(reply.body == '{"code":"success"}' for reply in told), f"{told[:5]}")
        check_equal((value_of(cluster, "k1"), value_of(cluster, "k2")), ("third", "second"), "the values")


def what_a_session_refuses_is_409_and_changes_nothing(programs):
    with Cluster(programs, nodes=3) as cluster:
        cluster.start_all()
        client = register(cluster)
        put_retried(cluster, "k", "first", f"{client}/1")
        far = client + 1_000_000
        for key, value, idempotency_key, outcome, said in (
                ("k", "other", f"{client}/1", "rejected", "something else"),
                ("j", "first", f"{client}/1", "rejected", "something else"),
                ("k", "other", f"{far}/1", "rejected", f"no client {far}"),
                ("k", "other", "18446744073709551615/1", "rejected", "no client"),
        ):
            reply = put_retried(cluster, key, value, idempotency_key)
            check_equal((reply.status, reply.code, reply.outcome), (409, "fail", outcome), f"{idempotency_key}: {reply}")
            check(said in reply.json["error"], f"{idempotency_key}: {reply}")
            check_equal(value_of(cluster, "k"), "first", f"{idempotency_key}: the value")
        put_retried(cluster, "k", "far ahead", f"{client}/{NUMBERS_MAX + 1}")
        reply = put_retried(cluster, "k", "first", f"{client}/1")
        check_equal((reply.status, reply.outcome), (409, "unknown"), f"below the window: {reply}")
        check_equal(put_retried(cluster, "k", "two", f"{client}/2").code, "success", "the lowest of the window")
        check_equal(value_of(cluster, "k"), "two", "the value")


def bad_headers_are_refused_on_a_put_and_nothing_on_a_get(programs):
    with Cluster(programs, nodes=1) as cluster:
        cluster.start_all()
        at = cluster.addresses[0]
        client = register(cluster)
        put(at, "k", "before")
        for text in ("", "x", f"{client}", f"{client}/", f"{client}/0", "0/1", f"{client}/01", f"{client}/+1",
                     f"{client}/-1", f"{client}/1/1", f"{client}/1,{client}/2", f'"{client}/1"', f"{client} /1",
                     f"{client}/18446744073709551616", "1e3/1", "\u0661/1".encode().decode("latin-1")):
            reply = put_once(at, "k", "after", text)
            check_equal((reply.status, reply.code), (400, "fail"), f"{text!r}: {reply}")
            check("Idempotency-Key" in reply.json["error"], f"{text!r}: {reply}")
            found = ask(at, "GET", "/request", {"payload": {"key": "k"}}, headers={"Idempotency-Key": text})
            check_equal(found.json["payload"]["value"], "before", f"GET with {text!r}")
        check_equal(put_once(at, "k", "after", f" {client}/1\t").code, "success", "blanks around a value mean nothing")
        check_equal(get(at, "k").json["payload"]["value"], "after", "the value")


def a_follower_names_the_leader_to_who_registers(programs):
    with Cluster(programs, nodes=3) as cluster:
        leader = cluster.start_all()
        leader = cluster.wait_settled()
        at = cluster.addresses[cluster.follower_of(leader)]
        reply = ask(at, "POST", "/session")
        check_equal(reply.json, {"code": "fail", "payload": {"message": cluster.addresses[leader]}}, "a follower")
        check_equal((reply.status, reply.outcome), (200, "rejected"), f"{reply}")
        for method in ("GET", "PUT", "DELETE"):
            reply = ask(at, method, "/session")
            check_equal((reply.status, reply.headers.get("Allow")), (405, "POST"), f"{method}: {reply}")


def the_session_used_longest_ago_expires(programs):
    with Cluster(programs, nodes=1) as cluster:
        cluster.start_all()
        at = cluster.addresses[0]
        kept, expired = register(cluster), register(cluster)
        for client in (expired, kept):  # the last use counts, not the registration
            put_once(at, "k", f"of {client}", f"{client}/1")
        host, port = at.removeprefix("http://").rsplit(":", 1)
        failed = []

        def register_many(count):
            connection = http.client.HTTPConnection(host, int(port), timeout=10)
            for _ in range(count):
                connection.request("POST", "/session")
                if json.loads(connection.getresponse().read())["code"] != "success":
                    failed.append(1)
            connection.close()

        threads = [threading.Thread(target=register_many, args=((SESSIONS_MAX - 1) // 15,)) for _ in range(15)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check_equal(failed, [], "registrations that failed")
        check_equal(ask(at, "GET", "/status").json["sessions"], SESSIONS_MAX, "sessions kept")
        put(at, "k", "another's")
        reply = put_once(at, "k", f"of {expired}", f"{expired}/1")
        check_equal((reply.status, reply.outcome), (409, "unknown"), f"{reply}")
        check("expired" in reply.json["error"], f"{reply}")
        check_equal(put_once(at, "k", f"of {kept}", f"{kept}/1").code, "success", "the other is kept")
        check_equal(get(at, "k").json["payload"]["value"], "another's", "neither changes the value")


main([
    a_retried_put_is_applied_once_across_leader_death_and_full_restart,
    a_put_of_unknown_outcome_is_settled_by_its_retry,
    tries_at_all_nodes_at_once_are_one_put,
    what_a_session_refuses_is_409_and_changes_nothing,
    bad_headers_are_refused_on_a_put_and_nothing_on_a_get,
    a_follower_names_the_leader_to_who_registers,
    the_session_used_longest_ago_expires,
])
