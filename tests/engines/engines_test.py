#!/usr/bin/env python3
"""A hunt spread by each engine prints what one hunt prints: by GNU parallel on this machine and over ssh (by a
stand-in for it), by Slurm on a cluster of one node, and by what the Kubernetes manifest has its pods do. What cannot
be started here is named, with the reason, on the line that the suite's report shows."""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

from slurm_cluster import CannotStart, SlurmCluster

# Some seeds fail: whoever is elected, it is not always n0.
LUCK = """version = 1
name = "luck"
duration = "2s"
[cluster]
nodes = 3
[[expect]]
within = "2s"
that = "role(n0) == leader"
"""
SHARDS = 2
# Options and a command as ssh has them, but the command runs here, with the SHELL that a login has.
SSH = """#!/bin/bash
echo "$*" >>{log}
while [[ $1 == -* ]]; do shift; done
shift
[[ ${{1:-}} != -- ]] || shift
SHELL=/bin/sh exec sh -c "$*"
"""
program = engines = None
compared = []
skipped = []


def without_times(text):
    return re.sub(r"events/s=\d+ wall=[\d.]+s", "TIME", text)


class Engines(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        scenario = self.folder / "luck.toml"
        scenario.write_text(LUCK)
        self.hunt = [str(scenario), "--seeds", "1..12"]
        self.environment = {**os.environ, "VESPER_SIM": str(program), "HOME": str(self.folder)}

    def run_here(self, *command, environment=None):
        return subprocess.run([str(part) for part in command], cwd=self.folder, env=environment or self.environment,
                              capture_output=True, text=True, timeout=120, check=False)

    def compare(self, name, done):
        whole = self.run_here(program, "hunt", *self.hunt)
        self.assertEqual(whole.returncode, 1, whole.stdout)
        self.assertIn("FAIL scenario=", whole.stdout)
        self.assertEqual(without_times(done.stdout), without_times(whole.stdout), done.stderr)
        self.assertEqual(done.returncode, 1)
        compared.append(name)

    def skip(self, name, why):
        skipped.append(f"SKIPPED {name}: {why}")
        self.skipTest(f"{name}: {why}")

    def need_parallel(self, name):
        if shutil.which("parallel") is None:
            self.skip(name, "parallel: not installed (Debian: parallel)")

    def shard_files(self):
        return {path.name: path.stat().st_mtime_ns for path in (self.folder / "results").glob("*.jsonl")}

    def test_gnu_parallel(self):
        self.need_parallel("GNU parallel")
        command = [engines / "hunt-parallel", SHARDS, "results", *self.hunt]
        self.compare("GNU parallel", self.run_here(*command))
        finished = self.shard_files()
        self.assertEqual(len(finished), SHARDS)

        again = self.run_here(*command)
        self.assertEqual(again.returncode, 1)
        self.assertEqual(self.shard_files(), finished)
        other = self.run_here(*command[:-1], "1..13")
        self.assertEqual((other.returncode, other.stdout), (2, ""))
        self.assertIn("seeds 1..12, not 1..13", other.stderr)

    def test_gnu_parallel_over_ssh(self):
        self.need_parallel("GNU parallel over ssh")
        ssh, log = self.folder / "ssh", self.folder / "ssh.log"
        ssh.write_text(SSH.format(log=shlex.quote(str(log))))
        ssh.chmod(0o755)
        done = self.run_here(engines / "hunt-parallel", SHARDS, "results", *self.hunt, "--", "--ssh", ssh,
                             "--sshlogin", "1/first.example,1/second.example")
        self.compare("GNU parallel over a stand-in for ssh", done)
        for host in ("first.example", "second.example"):
            self.assertIn(f"{host} -- ", log.read_text())

    def test_slurm(self):
        try:
            with tempfile.TemporaryDirectory() as folder, SlurmCluster(folder) as cluster:
                environment = {**self.environment, **cluster.environment, "VESPER_SIM": str(program)}
                done = self.run_here(engines / "hunt-slurm", SHARDS, "results", *self.hunt, environment=environment)
        except CannotStart as reason:
            self.skip("Slurm", reason)
        self.compare("Slurm array on one node", done)
        self.assertEqual(len(self.shard_files()), SHARDS)

    def test_the_kubernetes_manifest(self):
        try:
            import yaml
        except ImportError:
            self.skip("Kubernetes manifest", "yaml: not installed (Debian: python3-yaml)")
        documents = list(yaml.safe_load_all((engines / "hunt-kubernetes.yaml").read_text()))
        kinds = [(one["apiVersion"], one["kind"], one["metadata"]["name"]) for one in documents]
        self.assertEqual(kinds, [("v1", "ConfigMap", "vesper-hunt"), ("v1", "PersistentVolumeClaim", "vesper-hunt"),
                                 ("batch/v1", "Job", "vesper-hunt"), ("batch/v1", "Job", "vesper-hunt-merge")])
        settings, claim, hunt, merge = documents
        self.assertEqual(hunt["spec"]["completionMode"], "Indexed")
        self.assertEqual(str(hunt["spec"]["completions"]), settings["data"]["SHARDS"])
        self.assertTrue(merge["spec"]["suspend"])
        self.assertEqual(claim["spec"]["accessModes"], ["ReadWriteMany"])
        for job in (hunt, merge):
            pod = job["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            self.assertEqual(pod["restartPolicy"], "Never")
            self.assertEqual([mount["name"] for mount in container["volumeMounts"]],
                             [volume["name"] for volume in pod["volumes"]])
            self.assertEqual(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"])
        self.compare("Kubernetes' commands without a cluster", self.run_pods(hunt, merge))

    def run_pods(self, hunt, merge):
        """What the containers run, one after another, with the volume's folder in its place."""
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "vesper-sim").symlink_to(program)
        results = self.folder / "results"
        results.mkdir()
        command = self.command_of(hunt, results)
        self.assertEqual(command[:2], ["sh", "-c"])
        command[2] = command[2].replace(' hunt --seeds "$SEEDS"', f" hunt {' '.join(self.hunt)}")
        environment = {**self.environment, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "SHARDS": str(SHARDS)}
        for index in range(SHARDS):
            done = self.run_here(*command, environment={**environment, "JOB_COMPLETION_INDEX": str(index)})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return self.run_here(*self.command_of(merge, results), environment=environment)

    @staticmethod
    def command_of(job, results):
        (container,) = job["spec"]["template"]["spec"]["containers"]
        return [part.replace("/results", str(results)) for part in container["command"]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--vesper-sim", required=True, type=pathlib.Path)
    parser.add_argument("--engines", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    program, engines = arguments.vesper_sim.resolve(), arguments.engines.resolve()
    outcome = unittest.main(argv=sys.argv[:1], exit=False).result
    print(f"counts: hunt engines: {len(compared)} {'; '.join([*compared, *skipped])}")
    sys.exit(0 if outcome.wasSuccessful() else 1)
