"""The systems of tests/compare/etcd and tests/compare/growth: nodes of each, five if nothing else is said, by the
cluster tests' harness, and what their processes took of the machine."""

import http.client
import json
import os
import pathlib
import subprocess
import types

from harness import Cluster, Failure, ask, die_with_parent, wait_for

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 60
NODES = 5


class Vesper(Cluster):
    name = "vesper"

    def __init__(self, build, count=NODES):
        super().__init__(types.SimpleNamespace(vesperd=str(build / "vesperd")), count)

    def describe(self):
        version = subprocess.run([self.programs.vesperd, "--version"], capture_output=True, text=True, check=True)
        return f"{version.stdout.splitlines()[0]}: {self.programs.vesperd} 0 {self.ip_list} " \
               f"--data-dir {self.data_dir(0)}"


class Etcd(Cluster):
    """Only what it takes to be a cluster of five is said to etcd, nothing else: no option, no ETCD_ variable."""

    name = "etcd"

    def __init__(self):
        super().__init__(types.SimpleNamespace(etcd="etcd"), NODES, spare=NODES)
        self.peers, self.members = self.spare, {}

    def command(self, node):
        members = ",".join(f"n{other}={peer}" for other, peer in enumerate(self.peers))
        return [self.programs.etcd, "--name", f"n{node}", "--data-dir", self.data_dir(node),
                "--listen-client-urls", self.addresses[node], "--advertise-client-urls", self.addresses[node],
                "--listen-peer-urls", self.peers[node], "--initial-advertise-peer-urls", self.peers[node],
                "--initial-cluster", members, "--initial-cluster-state", "new"]

    def start(self, node, *options, **others):
        assert not options and not others
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
        with open(self.log_file(node), "a") as log:
            self.processes[node] = subprocess.Popen(self.command(node), stdout=log, stderr=log, cwd=self.dir,
                                                    env=environment, stdin=subprocess.DEVNULL,
                                                    preexec_fn=die_with_parent)
        return self.processes[node]

    def status(self, node):
        """In the words of vesper's, as far as the harness looks at them."""
        try:
            reply = ask(self.addresses[node], "POST", "/v3/maintenance/status", {}, timeout=2.0)
            told = json.loads(reply.body)
            leader, member = told.get("leader"), told["header"]["member_id"]
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return None
        if leader == member:
            self.members[leader] = node
        return {"role": "leader" if leader == member else "follower", "term": int(told.get("raftTerm", 0)),
                "leader": self.members.get(leader)}

    def leader_now(self):
        self.members = {}
        for node in self.up():
            self.status(node)
        return super().leader_now()

    def describe(self):
        version = subprocess.run([self.programs.etcd, "--version"], capture_output=True, text=True, check=True)
        return f"etcd {version.stdout.split()[2]}: {' '.join(self.command(0))}"


def check_running(cluster):
    for node, process in cluster.processes.items():
        if process.poll() is not None:
            raise Failure(f"{cluster.name}'s node {node} ended by itself, with {process.returncode}")


def start(cluster):
    """All nodes, until all follow one leader. The harness shows the ends of the logs if that fails."""
    for node in range(cluster.founders):
        cluster.start(node)
    wait_leader(cluster)


def wait_leader(cluster):
    """The leader's address, once all nodes follow it."""
    return cluster.addresses[wait_leading_node(cluster)]


def wait_leading_node(cluster):
    def settled():
        check_running(cluster)
        found = cluster.leader_now()
        views = [cluster.status(node) for node in range(cluster.founders)] if found else []
        return found if found and all(view and view["leader"] == found[0] for view in views) else None
    return wait_for(settled, START_SECONDS_MAX, f"{cluster.name}: a leader that all nodes follow")[0]


def term(cluster):
    """The highest: as much as it grows, so many elections there were, or tries of one. A node of which clients hold all
    connections does not answer; the others do."""
    return max(view["term"] for node in range(cluster.founders) if (view := cluster.status(node)))


def cpu_seconds(cluster):
    """User and system time of all nodes so far: fields 14 and 15 of proc(5)'s stat."""
    total = 0
    for process in cluster.processes.values():
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory_mib(cluster, node, field):
    """VmRSS: what is resident, VmHWM: its peak."""
    status = pathlib.Path(f"/proc/{cluster.processes[node].pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field + ":")) / 1024


def peak_mib(cluster):
    """The peaks of the nodes' resident memory, together."""
    return sum(memory_mib(cluster, node, "VmHWM") for node in cluster.processes)


def resident_mib(cluster):
    return sum(memory_mib(cluster, node, "VmRSS") for node in cluster.processes)
