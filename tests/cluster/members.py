"""What an operator does about the members of a real cluster: vesperctl member, and nodes that are started and end."""

import re

from harness import ask, check, check_equal, run, wait_for

REMOVED = 3  # a removed node's exit status


def member(cluster, *words, timeout=60):
    return run([cluster.programs.vesperctl, "member", *words], timeout=timeout)


def done(cluster, *words, timeout=60):
    """What a command prints that must succeed."""
    result = member(cluster, *words, timeout=timeout)
    check_equal(result.returncode, 0, f"exit status of {words}: {result.stdout}{result.stderr}")
    return result.stdout


def at(cluster):
    """Any member that is up."""
    return cluster.addresses[cluster.up()[-1]]


def members(cluster):
    return ask(at(cluster), "GET", "/members").json


def standings(cluster):
    return {line["id"]: line["standing"] for line in members(cluster)["members"]}


def add(cluster, start=True):
    """A learner at a spare address, by its id; started."""
    address = cluster.spare.pop(0)
    said = done(cluster, "add", at(cluster), address)
    node = len(cluster.addresses)
    check(said.startswith(f"n{node} is a learner at {address}\nstart it with: vesperd {node} --join http://"), said)
    cluster.addresses.append(address)
    if start:
        cluster.start(node, join=said.strip().split(" --join ")[1].split(","))
    return node


def promote(cluster, *nodes):
    said = done(cluster, "promote", at(cluster), *nodes)
    check_equal(said, "".join(f"n{node} is a voter\n" for node in nodes), "what promote prints")
    cluster.voters |= set(nodes)


def has_ended(cluster, node, seconds=10):
    process = cluster.processes[node]
    wait_for(lambda: process.poll() is not None, seconds, f"n{node} ends by itself")
    check_equal(process.returncode, REMOVED, f"exit status of n{node}")
    check("was removed from the cluster" in cluster.log(node), f"n{node} says why: {cluster.log(node)}")
    del cluster.processes[node]


def remove(cluster, *nodes):
    stays = cluster.addresses[next(node for node in cluster.up() if node not in nodes)]
    check_equal(done(cluster, "remove", stays, *nodes), "".join(f"n{node} is removed\n" for node in nodes),
                "what remove prints")
    cluster.voters -= set(nodes)
    for node in nodes:
        if node in cluster.processes:
            has_ended(cluster, node)


def replace(cluster, old):
    """A new node takes the place of `old`, by one command and the start that it asks for."""
    address = cluster.spare.pop(0)
    stays = cluster.addresses[next(node for node in cluster.up() if node != old)]
    process = cluster.spawn([cluster.programs.vesperctl, "member", "replace", stays, str(old), address],
                            stdout=-1, stderr=-1, text=True)
    node = len(cluster.addresses)
    check_equal(process.stdout.readline(), f"n{node} is a learner at {address}\n", "what replace prints first")
    command = process.stdout.readline()
    found = re.fullmatch(rf"start it with: vesperd {node} --join (\S+)\n", command)
    check(found, f"the command that replace prints: {command!r}")
    cluster.addresses.append(address)
    cluster.start(node, join=found.group(1).split(","))
    out, err = process.communicate(timeout=60)
    check_equal((process.returncode, out), (0, f"n{node} is a voter, n{old} is removed\n"), f"replace: {err}")
    cluster.voters = cluster.voters - {old} | {node}
    if old in cluster.processes:
        has_ended(cluster, old)
    return node


def caught_up(cluster, node, seconds=20):
    """Waits until a node that is no member long has all that the leader has."""
    def is_there():
        found = cluster.leader_now()
        view, lead = cluster.status(node), found and cluster.status(found[0])
        return view and lead and view["leader"] == found[0] and view["applied"] >= lead["commit"]
    wait_for(is_there, seconds, f"n{node} catches up")

