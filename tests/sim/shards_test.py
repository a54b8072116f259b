#!/usr/bin/env python3
"""A hunt in shards: what merge prints of their files is what one hunt prints; a shard that was ended goes on, one that
is finished is not run again; files that are not the whole of one hunt are refused, by file and line."""

import argparse
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

SMALL = 'version = 1\nname = "small"\nduration = "2s"\n[cluster]\nnodes = 3\n'
# Some seeds fail: whoever is elected, it is not always n0.
LUCK = SMALL.replace("small", "luck") + '[[expect]]\nwithin = "2s"\nthat = "role(n0) == leader"\n'
ENDLESS = 'version = 1\nname = "endless"\nduration = "86400s"\n[[clients]]\nrate = "1000/s"\n'
CUT_STEP = 83
# In the middle of its second run.
SMALL_FILE = 2500
program = None


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sealed(line, old, new):
    """The line with something else in it, as if the program had written it so."""
    assert old in line, (old, line)
    body = line.rsplit(',"crc"', 1)[0].replace(old, new)
    return f'{body},"crc":"{crc32c(body.encode()):08x}"}}'


def without_times(text):
    """What a report says, but for how long it took."""
    return re.sub(r'events/s=\d+ wall=[\d.]+s|"events_per_second": \d+|"wall": [\d.]+', "TIME", text)


class Shards(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name, content in {"small": SMALL, "luck": LUCK, "endless": ENDLESS}.items():
            (self.folder / f"{name}.toml").write_text(content)

    def sim(self, *arguments):
        return subprocess.run([program, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              check=False)

    def expect(self, status, text, *arguments):
        done = self.sim(*arguments)
        self.assertIn(text, done.stdout + done.stderr)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def shards(self, folder, count, *hunt):
        for shard in range(count):
            done = self.sim("hunt", *hunt, "--shard", f"{shard}/{count}", "--out", f"{folder}/")
            self.assertLess(done.returncode, 2, done.stderr)

    def lines(self, path):
        return (self.folder / path).read_text().splitlines()

    def write(self, path, lines, end="\n"):
        (self.folder / path).write_text("\n".join(lines) + end)

    def test_merged_shards_print_what_one_hunt_prints(self):
        hunts = [(["--seeds", "1..9"], 2), (["luck.toml", "small.toml", "--seeds", "3..19"], 3),
                 (["luck.toml", "--seeds", "7..8"], 5)]
        for number, (hunt, count) in enumerate(hunts):
            with self.subTest(hunt=hunt):
                self.shards(f"r{number}", count, *hunt)
                for extra in ([], ["--matrix"], ["--json", "--matrix"], ["--write-failures", "found"]):
                    whole = self.sim("hunt", *hunt, *extra)
                    merged = self.sim("merge", f"r{number}", *extra)
                    self.assertEqual(without_times(merged.stdout), without_times(whole.stdout))
                    self.assertEqual((merged.returncode, merged.stderr), (whole.returncode, ""))

    def test_failures_are_told_by_every_shard_and_by_merge(self):
        self.shards("r", 2, "luck.toml", "--seeds", "1..12")
        merged = self.expect(1, "replay: vesper-sim run luck.toml --seed ", "merge", "r")
        failed = re.findall(r"^FAIL scenario=luck.toml seed=(\d+)", merged.stdout, re.MULTILINE)
        self.assertTrue(0 < len(failed) < 12, failed)
        runs = [json.loads(line) for shard in range(2) for line in self.lines(f"r/shard_{shard}_of_2.jsonl")[1:-1]]
        self.assertEqual({str(run["seed"]) for run in runs if not run["passed"]}, set(failed))
        self.assertTrue(all("replay" in run for run in runs if not run["passed"]))

    def test_a_finished_shard_is_not_run_again(self):
        for scenario, status in (("small.toml", 0), ("luck.toml", 1)):
            hunt = ["hunt", scenario, "--seeds", "1..12", "--shard", "0/2", "--out", f"{scenario}.jsonl"]
            first = self.sim(*hunt)
            self.assertEqual(first.returncode, status)
            written = (self.folder / f"{scenario}.jsonl").read_bytes()
            again = self.expect(status, f"{scenario}.jsonl: complete, not run again", *hunt)
            self.assertEqual(without_times(again.stdout), without_times(first.stdout))
            self.assertEqual((self.folder / f"{scenario}.jsonl").read_bytes(), written)

    def test_a_shard_that_was_killed_goes_on(self):
        hunt = ["hunt", "--seeds", "1..16", "--shard", "1/2", "--out", "r/"]
        self.shards("r", 2, "--seeds", "1..16")
        path = self.folder / "r/shard_1_of_2.jsonl"
        finished = self.lines(path)
        path.unlink()
        with subprocess.Popen([program, *hunt], cwd=self.folder, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as run:
            while not path.exists() or path.read_bytes().count(b"\n") < 3:
                self.assertIsNone(run.poll(), "too fast to be killed")
            run.send_signal(signal.SIGKILL)
        left = self.lines(path)
        self.expect(2, f"r/shard_1_of_2.jsonl:{len(left) + 1}: unfinished: {len(left) - 1} of 8 runs", "merge", "r")
        self.expect(0, f"has {len(left) - 1} of 8 runs, goes on", *hunt)
        self.assertEqual(self.lines(path)[:len(left)], left)
        self.assertEqual(self.results(path), [re.sub(r'"wall":.*', "", line) for line in finished])
        whole = self.sim("hunt", "--seeds", "1..16")
        self.assertEqual(without_times(self.sim("merge", "r").stdout), without_times(whole.stdout))

    def results(self, path):
        """Its lines but for times."""
        return [re.sub(r'"wall":.*', "", line) for line in self.lines(path)]

    def test_a_file_that_ends_anywhere_is_completed(self):
        hunt = ["hunt", "luck.toml", "--seeds", "1..6", "--shard", "0/2", "--out", "a.jsonl"]
        whole = self.sim(*hunt)
        path = self.folder / "a.jsonl"
        written, results = path.read_bytes(), self.results(path)
        ends = range(0, len(written), CUT_STEP)
        for end in ends:
            with self.subTest(end=end):
                path.write_bytes(written[:end])
                done = self.sim(*hunt)
                self.assertEqual((done.returncode, without_times(done.stdout)),
                                 (whole.returncode, without_times(whole.stdout)), done.stderr)
                self.assertEqual(self.results(path), results)
                kept = written[:end].rfind(b"\n") + 1
                self.assertEqual(path.read_bytes()[:kept], written[:kept])
        print(f"counts: shard files cut: {len(ends)}")

    def test_merge_refuses_what_is_not_one_whole_hunt(self):
        self.shards("r", 2, "small.toml", "--seeds", "1..8")
        self.shards("seeds", 2, "small.toml", "--seeds", "1..9")
        self.shards("three", 3, "small.toml", "--seeds", "1..8")
        self.shards("luck", 2, "luck.toml", "--seeds", "1..8")
        one, two = "r/shard_0_of_2.jsonl", "r/shard_1_of_2.jsonl"
        good = self.lines(two)
        mutants = [
            ("the end is missing", good[:-1], "m.jsonl:6: unfinished: 4 of 4 runs; run shard 1/2 again to go on"),
            ("runs are missing", good[:3], "m.jsonl:4: unfinished: 2 of 4 runs"),
            ("only the header", good[:1], "m.jsonl:2: unfinished: 0 of 4 runs"),
            ("nothing", [], "m.jsonl:1: damaged"),
            ("a digit", [*good[:2], good[2].replace('"faults":0', '"faults":1'), *good[3:]], "m.jsonl:3: damaged"),
            ("a digit in the header", [good[0].replace("1..8", "1..7"), *good[1:]], "m.jsonl:1: damaged"),
            ("half a line", [*good[:2], good[2][:40], *good[3:]], "m.jsonl:3: damaged"),
            ("a run is lost", [*good[:2], *good[3:]], "m.jsonl:3: run 2 of seed 5, where run 1 of seed 3 must come"),
            ("a run comes twice", [*good[:3], *good[2:]], "m.jsonl:4: run 1 of seed 3, where run 2 of seed 5"),
            ("a run too many", [*good[:-1], sealed(good[-2], '"run":3', '"run":4'), good[-1]], "m.jsonl:6: a run more"),
            ("ended early", [*good[:3], good[-1]], "m.jsonl:4: the end after 2 of 4 runs"),
            ("another type", [*good[:2], sealed(good[2], '"passed":true', '"passed":1'), *good[3:]],
             'm.jsonl:3: "passed" must be true or false'),
            ("no outcomes", [*good[:2], sealed(good[2], '"outcomes":[', '"outcomes":[7],"x":['), *good[3:]],
             'm.jsonl:3: "outcomes" must be eleven numbers for each fault'),
            ("another hash", [*good[:2], sealed(good[2], json.loads(good[2])["hash"], "0" * 16), *good[3:]],
             "m.jsonl:6: the end does not tell of the runs before it"),
            ("more behind the end", [*good, good[1]], "m.jsonl:7: a line behind the end"),
            ("another format", [sealed(good[0], 'shard":2,"p', 'shard":1,"p'), *good[1:]],
             'm.jsonl:1: "vesper-sim shard" must be 2, the format that this program reads'),
            ("another version", [sealed(good[0], '"program":"', '"program":"9'), *good[1:]],
             "m.jsonl:1: results of another hunt or program: version 9"),
            ("other sources", [sealed(good[0], json.loads(good[0])["source"], "f" * 16), *good[1:]],
             "m.jsonl:1: results of another hunt or program: source ffffffffffffffff, not "),
            ("a scenario's other content", [sealed(good[0], json.loads(good[0])["scenarios"][0]["hash"], "f" * 16),
                                            *good[1:]], "another hunt or program: scenarios small.toml (hash ffff"),
        ]
        for why, lines, message in mutants:
            with self.subTest(why):
                self.write("m.jsonl", lines)
                self.expect(2, message, "merge", one, "m.jsonl")
        files = [
            ([one], "missing: shard 1 of 2"),
            (["three/shard_1_of_3.jsonl"], "missing: shard 0, 2 of 3"),
            ([one, two, one], f"{one}:1: shard 0 is in {one} too"),
            ([one, "seeds/shard_1_of_2.jsonl"], "seeds 1..9, not 1..8 as in r/shard_0_of_2.jsonl"),
            ([one, "three/shard_1_of_3.jsonl"], "shard_1_of_3.jsonl:1: results of another hunt or program: shards 3"),
            ([one, "luck/shard_1_of_2.jsonl"], "scenarios luck.toml"),
            ([one, "none.jsonl"], "none.jsonl: cannot be read"),
            ([one, "small.toml"], "small.toml:1: damaged"),
            (["."], ".: no file *.jsonl is in it"),
        ]
        (self.folder / "m.jsonl").unlink()
        for arguments, message in files:
            with self.subTest(files=arguments):
                self.assertEqual(self.expect(2, message, "merge", *arguments).stdout, "")
        self.write("m.jsonl", [sealed(good[0], json.loads(good[0])["source"], "f" * 16), *good[1:]])
        self.expect(2, "m.jsonl:1: results of another program: source ffffffffffffffff, not ", "merge", "m.jsonl", one)
        (self.folder / "small.toml").write_text(SMALL.replace("2s", "3s"))
        self.expect(2, "other scenarios here than were run", "merge", "r", "--write-failures", "found")
        print(f"counts: shard files refused: {len(mutants) + len(files) + 2}")

    def test_a_shard_goes_on_in_no_other_file_than_its_own(self):
        hunt = ["hunt", "small.toml", "--seeds", "1..8", "--shard", "0/2", "--out", "a.jsonl"]
        self.expect(0, "seeds=4 failures=0", *hunt)
        lines = self.lines("a.jsonl")
        others = [("--seeds", "1..9", "a.jsonl:1: results of another hunt or program: seeds 1..8, not 1..9"),
                  ("--shard", "1/2", "a.jsonl:1: results of shard 0, not 1"),
                  ("--shard", "0/3", "results of another hunt or program: shards 2, not 3"),
                  ("--shard", "2/2", "--shard: expected I/N with I < N <= 100000, not \"2/2\""),
                  ("--shard", "1", "--shard: expected I/N"),
                  ("--out", "none/a.jsonl", "none/a.jsonl: cannot be written"),
                  ("--out", "small.toml", "small.toml:1: damaged")]
        for option, value, message in others:
            with self.subTest(option=option, value=value):
                changed = list(hunt)
                changed[changed.index(option) + 1] = value
                self.expect(2, message, *changed)
                self.assertEqual(self.lines("a.jsonl"), lines)
        self.assertEqual((self.folder / "small.toml").read_text(), SMALL)
        self.write("a.jsonl", [*lines[:2], lines[2].replace('"faults":0', '"faults":1')])
        self.expect(2, "a.jsonl:3: damaged: the line does not match its checksum", *hunt)
        self.write("a.jsonl", [*lines, "x"], end="")
        self.expect(2, "a.jsonl:7: something behind the end", *hunt)
        for arguments, message in ((["--shard", "0/2"], "--shard requires --out"),
                                   (["--out", "a"], "--out requires --shard"),
                                   (["--shard", "0/2", "--out", "a", "--shrink"], "--shard")):
            self.expect(2, message, "hunt", *arguments)

    def test_a_disk_that_takes_no_more_is_told_and_the_shard_goes_on_later(self):
        hunt = ["hunt", "small.toml", "--seeds", "1..8", "--shard", "0/2", "--out", "a.jsonl"]
        done = subprocess.run([program, *hunt], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
                              preexec_fn=small_files_only)
        self.assertEqual((done.returncode, done.stderr), (2, "a.jsonl: cannot be written\n"))
        self.assertEqual((self.folder / "a.jsonl").stat().st_size, SMALL_FILE)
        self.expect(0, "seeds=4 failures=0", *hunt)
        self.assertEqual(len(self.lines("a.jsonl")), 6)

    def test_two_processes_do_not_run_one_shard_at_once(self):
        hunt = ["hunt", "endless.toml", "--seeds", "1", "--shard", "0/1", "--out", "a.jsonl"]
        with subprocess.Popen([program, *hunt], cwd=self.folder, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True) as run:
            try:
                path = self.folder / "a.jsonl"
                while not path.exists() or path.stat().st_size == 0:
                    self.assertIsNone(run.poll())
                self.expect(2, "a.jsonl: another process is running this shard", *hunt)
            finally:
                end_group(run)


def small_files_only():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE))


def end_group(run):
    """With the process that runs its seed, which would go on alone."""
    os.killpg(run.pid, signal.SIGKILL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--vesper-sim", required=True)
    program = str(pathlib.Path(parser.parse_args().vesper_sim).resolve())
    unittest.main(argv=sys.argv[:1])
