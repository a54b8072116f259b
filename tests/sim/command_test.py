#!/usr/bin/env python3
"""vesper-sim as a program: bad input ends with status 2 and a message, and an abort is told like any other failure."""

import argparse
import json
import pathlib
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
