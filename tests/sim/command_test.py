#!/usr/bin/env python3
"""vesper-sim as a program: bad input ends with status 2 and a message, and an abort is told like any other failure."""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

HEAD = 'version = 1\nname = "a"\nduration = "1s"\n'
# Its name, its content.
FILES = {
    "good.toml": HEAD,
    "other.toml": HEAD,
    "endless.toml": 'version = 1\nname = "a"\nduration = "86400s"\n[[clients]]\nrate = "1000/s"\n',
    "empty.toml": "",
    "long.toml": HEAD + "#" + "x" * 1024 * 1024,
    "dots.toml": HEAD + ".".join(["a"] * 200_000) + " = 1\n",
    "overflow.toml": HEAD + '[[clients]]\nkeys = 0\n',
    "brackets.json": "[" * 3_000_000 + "\n",
    # It asks for the impossible, under noise that has no part in it.
    "broken.toml": HEAD.replace("1s", "20s") + """
[network]
drop = 0.02
[[clients]]
count = 3
[[step]]
at = "2s"
do = "crash"
node = "n0"
[[step]]
after = "1s"
do = "restart"
node = "n0"
[[step]]
name = "late"
at = "9s"
do = "note"
[[expect]]
after = "late"
within = "1s"
that = "leader.term >= 100"
""",
}
# Arguments, the status, and what stands in what they print.
CASES = [
    (["run", "good.toml"], 0, "PASS scenario=good"),
    (["run", "good.toml", "--trace", "trace"], 0, "PASS scenario=good"),
    (["run", "good.toml", "--trace", "/dev/full"], 2, "/dev/full: cannot be written"),
    (["run", "good.toml", "--trace", "none/trace"], 2, "none/trace: cannot be written"),
    (["run", "good.toml", "other.toml", "--trace", "trace"], 2, "--trace takes one scenario"),
    (["run", "empty.toml"], 2, "empty.toml:1:1: scenario: expected version = 1"),
    (["run", "long.toml"], 2, "long.toml:1:1: a text of 1048616 bytes: expected at most 1048576"),
    (["run", "dots.toml"], 2, "dots.toml:4:32: expected a key of at most 16 parts"),
    (["run", "overflow.toml"], 2, "overflow.toml:5:8: [[clients]]: keys: expected a whole number from 1 to"),
    (["check", "brackets.json"], 2, "brackets.json: line 1: column 3000001: Invalid value."),
    (["check", "empty.toml"], 2, "empty.toml: no operation: nothing was recorded"),
    (["check", "."], 2, ".: cannot be read"),
    (["explore", "--terms", "1", "--entries", "1"], 0, "PASS explore: the space is exhausted"),
    (["explore", "--terms", "1", "--order", "any", "--dfs"], 0, "PASS explore: the space is exhausted"),
    (["explore", "--time-limit", "0"], 0, "PASS explore: NOT exhausted, stopped by its time limit"),
    (["explore", "--memory-limit", "0"], 0, "PASS explore: NOT exhausted, stopped by its memory limit"),
    (["explore", "--nodes", "6"], 2, "--nodes: Value 6 not in range 1 to 5"),
    (["explore", "--terms", "61"], 2, "--terms: Value 61 not in range 0 to 60"),
    (["explore", "--order", "all"], 2, "--order: "),
    (["shrink"], 2, "nothing to shrink: name a scenario, or with --seed one of hunt's"),
    (["shrink", "none"], 2, "none: neither a file nor a name in the folder scenarios"),
    (["shrink", "good.toml"], 2, "good.toml with seed 1 passes: there is nothing to shrink"),
    (["shrink", "--seed", "1"], 2, "hunt with seed 1 passes: there is nothing to shrink"),
    (["shrink", "broken.toml", "--out", "none/small.toml"], 2, "none/small.toml: cannot be written"),
    (["shrink", "broken.toml", "--out", "small.toml"], 1, "replay: vesper-sim run small.toml"),
    (["verify"], 2, "nothing to verify: name a scenario, say --all, or give --seeds of hunt's"),
    (["verify", "none"], 2, "none: neither a file nor a name in the folder scenarios"),
    (["verify", "--seeds", "2..1"], 2, '--seeds: expected A..B with A <= B, not "2..1"'),
    (["verify", "good.toml", "--against", "good.toml"], 2, "--against: good.toml is no program"),
    (["verify", "good.toml", "--seeds", "1..2"], 0, "verified: 2 runs, each twice: 2 the same, 0 differ"),
    (["verify", "broken.toml"], 0, "SAME scenario=broken.toml FAIL events="),
    (["verify", "--seeds", "1..1"], 0, "SAME scenario=hunt seed=1 PASS events="),
    (["verify", "good.toml", "--against", "/bin/true"], 1, "it broke off"),
]
ABORTS = 10
program = None


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name, content in FILES.items():
            (self.folder / name).write_text(content)

    def test_statuses_and_messages(self):
        for arguments, status, text in CASES:
            with self.subTest(arguments=arguments):
                done = subprocess.run([program, *arguments], cwd=self.folder, capture_output=True, text=True,
                                      timeout=60, check=False)
                self.assertIn(text, done.stdout + done.stderr)
                self.assertEqual(done.returncode, status)

    def test_what_was_made_small_fails_in_the_same_way(self):
        shrink = subprocess.run([program, "shrink", "broken.toml", "--jobs", "2"], cwd=self.folder, capture_output=True,
                                text=True, timeout=60, check=False)
        self.assertEqual(shrink.returncode, 1, shrink.stderr)
        self.assertIn("before: steps=3 nodes=5 clients=3 duration=20.000s deliveries=", shrink.stdout)
        self.assertIn("after:  steps=1 nodes=1 clients=0 duration=10.00", shrink.stdout)
        again = subprocess.run([program, "run", "a_1_small.toml"], cwd=self.folder, capture_output=True, text=True,
                               timeout=60, check=False)
        self.assertEqual(again.returncode, 1, again.stdout)
        rule = "expectation: within 1s: leader.term >= 100, after late"
        self.assertIn(rule, again.stdout)
        self.assertIn(rule, shrink.stdout)

    def test_a_hunt_makes_its_failures_small(self):
        hunt = subprocess.run([program, "hunt", "broken.toml", "--seeds", "1..2", "--shrink", "--write-failures", "found"],
                              cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(hunt.returncode, 1, hunt.stderr)
        self.assertEqual(sorted(path.name for path in (self.folder / "found").iterdir()),
                         ["a_1.toml", "a_1_small.toml", "a_2.toml", "a_2_small.toml"])

    def test_a_hunt_tells_what_clusters_did_about_each_fault(self):
        # What cannot be is never seen. All that can be takes thousands of seeds: a night's worth, as
        # VESPER_MATRIX_SEEDS=1..4000.
        seeds = os.environ.get("VESPER_MATRIX_SEEDS")
        hunt = subprocess.run([program, "hunt", "--seeds", seeds or "101..130", "--jobs", "2", "--matrix", "--json"],
                              cwd=self.folder, capture_output=True, text=True, timeout=None if seeds else 60, check=False)
        self.assertEqual(hunt.returncode, 0, hunt.stdout)
        matrix = json.loads(hunt.stdout.splitlines()[-1])["matrix"]
        self.assertEqual(matrix["belied"], [])
        self.assertEqual(matrix["faults"]["clock offset"]["stopped"],
                         "cannot: clocks of different nodes are never compared")
        self.assertGreater(matrix["faults"]["crash"]["repaired"], 0)
        if seeds:
            self.assertEqual(matrix["empty"], [])

    def test_verify_names_the_first_event_that_two_builds_do_not_share(self):
        # The other build crashes the node half a second later.
        (self.folder / "other.toml").write_text(FILES["broken.toml"].replace('"2s"', '"2500ms"'))
        other = self.folder / "other-build"
        other.write_text(f'#!/bin/sh\nexec "{program}" $(echo "$@" | sed s/broken/other/)\n')
        other.chmod(0o755)
        done = subprocess.run([program, "verify", "broken.toml", "--against", "./other-build"], cwd=self.folder,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("verified: 1 runs, each twice: 0 the same, 1 differ", done.stdout)
        event = int(re.search(r"DIFFER scenario=broken.toml event=(\d+): the first event", done.stdout).group(1))
        before, first, second = re.split(r"  (?:the event before it|in the first run|in the second run):\n",
                                         done.stdout)[1:]
        self.assertRegex(first, r"^ +2\.000000000s fault crash n0\n")
        self.assertNotIn("crash", second + before)
        # And it is that event of the run.
        trail = subprocess.run([program, "trail", "broken.toml"], cwd=self.folder, capture_output=True, text=True,
                               stdin=subprocess.DEVNULL, timeout=60, check=False)
        again = subprocess.run([program, "trail", "other.toml"], cwd=self.folder, capture_output=True, text=True,
                               stdin=subprocess.DEVNULL, timeout=60, check=False)
        pairs = list(zip(trail.stdout.replace("?\n", "").split(), again.stdout.replace("?\n", "").split()))
        self.assertEqual([a == b for a, b in pairs[:event]], [True] * (event - 1) + [False])

    def abort(self, *arguments):
        """What a run prints that an abort ends, at any moment: in the middle of an allocation too."""
        (self.folder / "trace").unlink(missing_ok=True)
        with subprocess.Popen([program, "run", "endless.toml", "--trace", "trace", *arguments], cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
            trace = self.folder / "trace"
            while not trace.exists() or trace.stat().st_size == 0:
                self.assertIsNone(run.poll())
            run.send_signal(signal.SIGABRT)
            try:
                out = run.communicate(timeout=60)[0]
            except subprocess.TimeoutExpired:
                run.kill()
                raise
            self.assertEqual(run.returncode, 1)
            return out

    def test_an_abort_is_told_as_json_where_json_is_asked_for(self):
        for _ in range(ABORTS):
            told = json.loads(self.abort("--json"))
            self.assertEqual((told["result"], told["violation"], told["scenario"]), ("FAIL", "check", "endless"))
            self.assertIn("FAIL scenario=endless seed=1 violation=check", self.abort())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--vesper-sim", required=True)
    program = str(pathlib.Path(parser.parse_args().vesper_sim).resolve())
    unittest.main(argv=sys.argv[:1])
