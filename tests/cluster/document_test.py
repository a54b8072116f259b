"""The document's own examples: its ip list, its five servers, its PUT and GET, by three kinds of client."""

import ast
import json
import os
import sys

import document_client
from harness import Cluster, check, check_equal, get, main, run, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
SUCCESS = {"code": "success"}
NAME = {"code": "success", "payload": {"key": "name", "value": "Leslie Lamport"}}


def curl(method, address, body, *options):
    done = run(["curl", "-s", "-S", "--max-time", "5", *options, "-X", method, "-H",
                "Content-Type: application/json", "-d", json.dumps(body), address + "/request"])
    check_equal(done.returncode, 0, f"curl's exit status ({done.stderr})")
    return json.loads(done.stdout)


def the_ip_list_is_the_documents(programs):
    with Cluster(programs) as cluster:
        with open(cluster.ip_list) as file:
            text = file.read()
        check_equal(text.count("\n"), 4, "newlines in a five-line list without a last one")
        leader = cluster.start_all()
        check(0 <= leader < 5, "one of the five leads")
        for node in range(5):
            view = wait_for(lambda n=node: cluster.status(n), 3, f"node {node}'s status")
            check_equal(view["id"], node, "id in the status")
            check_equal(view["nodes"], cluster.addresses, "nodes in the status")


def curl_puts_and_gets_at_the_leader(programs):
    with Cluster(programs) as cluster:
        at = cluster.addresses[cluster.start_all()]
        body = {"type": "put", "payload": {"key": "name", "value": "Leslie Lamport"}}
        check_equal(curl("PUT", at, body), SUCCESS, "PUT")
        check_equal(curl("GET", at, {"type": "get", "payload": {"key": "name"}}), NAME, "GET")
        absent = curl("GET", at, {"type": "get", "payload": {"key": "nobody"}})
        check_equal(absent, {"code": "fail"}, "GET of an absent key")


def curl_is_sent_to_the_leader_by_a_follower(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        leader = cluster.wait_settled()
        at = cluster.addresses[cluster.follower_of(leader)]
        body = {"type": "put", "payload": {"key": "name", "value": "Leslie Lamport"}}
        expected = {"code": "fail", "payload": {"key": "name", "value": "Leslie Lamport",
                                                "message": cluster.addresses[leader]}}
        check_equal(curl("PUT", at, body), expected, "PUT")
        del expected["payload"]["value"]
        asked = curl("GET", at, {"type": "get", "payload": {"key": "name"}})
        check_equal(asked, expected, "GET")
        check_equal(get(cluster.addresses[leader], "name").json, {"code": "fail"}, "after it all")


def vesperctl_puts_and_gets_at_any_node(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        for at in cluster.addresses:
            done = run([programs.vesperctl, at, "name", "Leslie Lamport"])
            check_equal((done.returncode, done.stdout.count("\n")), (0, 1), f"PUT: {done}")
            check_equal(json.loads(done.stdout), SUCCESS, "PUT")
            done = run([programs.vesperctl, at, "name"])
            check_equal((done.returncode, done.stdout.count("\n")), (0, 1), f"GET: {done}")
            check_equal(json.loads(done.stdout), NAME, "GET")


def the_documents_client_puts_and_gets_at_any_node(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        cluster.wait_settled()
        for node, at in enumerate(cluster.addresses):
            key = f"name-{node}"
            check_equal(document_client.get(at, key), {"code": "fail"}, "GET of an absent key")
            check_equal(document_client.put(at, key, "Leslie Lamport"), SUCCESS, "PUT")
            expected = {"code": "success", "payload": {"key": key, "value": "Leslie Lamport"}}
            for asked in cluster.addresses:
                check_equal(document_client.get(asked, key), expected, f"GET at {asked}")


def the_documents_client_prints_what_the_document_shows(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        cluster.wait_settled()
        client = [sys.executable, os.path.join(HERE, "document_client.py"), cluster.addresses[0]]
        done = run([*client, "name", "Leslie Lamport"])
        check_equal(ast.literal_eval(done.stdout), SUCCESS, "PUT")
        check_equal(done.stdout, "{'code': 'success'}\n", "what PUT prints")
        done = run([*client, "name"])
        check_equal(ast.literal_eval(done.stdout), NAME, "GET")


def a_majority_is_enough_and_less_is_not(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        leader = cluster.put_done("k", "1")  # with five
        for node in [n for n in range(5) if n != leader][:2]:
            cluster.kill(node)
        leader = cluster.put_done("k", "2")  # with three
        cluster.kill(cluster.follower_of(leader))
        for node in cluster.up():
            answer = document_client.put(cluster.addresses[node], "k", "3")
            check_equal(answer.get("code"), "fail", f"PUT at node {node} with two")


main([
    the_ip_list_is_the_documents,
    curl_puts_and_gets_at_the_leader,
    curl_is_sent_to_the_leader_by_a_follower,
    vesperctl_puts_and_gets_at_any_node,
    the_documents_client_puts_and_gets_at_any_node,
    the_documents_client_prints_what_the_document_shows,
    a_majority_is_enough_and_less_is_not,
])
