"""Builds vesper in every way that matters and runs every test: called by tests/run, which installs what is missing.

    --quick      only the usual build and its tests
    --jobs N     how many compilers and tests at once

A step that fails does not stop the others, but the end is red. The report before the last line counts what the tests
say that they have looked at; a count that is missing or zero is a failure of its own."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HUNT_SEEDS = "1..300"
# Compared over all builds: enough for each kind of fault to be drawn.
COMPARED_SEEDS = "1..100"
PLANTED = ("two_grants_in_one_term", "reply_before_sync", "local_read_without_round", "peers_in_hash_order")
# Fast enough to run, quick enough to build, and with the lines that a report names.
SANITIZED = ("-Doptimization=1", "-Ddebug=false", "-Dcpp_args=-g1")
ADDRESS_SANITIZED = ("core", "raft", "storage", "sim", "net")
# That each file includes what it needs, the usual build has seen.
PRECOMPILED = "-Db_pch=true"
# What the report must name, each counted by the tests themselves as a line `counts: <label>: <number> ...`.
LABELS = ("rule tables", "paper sentences", "properties", "log cuts", "log flips", "torn tails", "raw-socket probes",
          "idle connections", "real-cluster tests", "shard files refused", "hunt engines", "include arrows")


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.lines = []

    def add(self, text):
        self.lines.append(text)

    def count(self, passed, failed):
        self.passed += passed
        self.failed += failed


class Build:
    """One configuration in a folder of its own, and the tests that run in it."""

    def __init__(self, name, compiler="g++", options=(), environment=None, patience=2):
        self.name = name
        self.patience = patience
        self.folder = ROOT / f"build-{name}"
        self.compiler = compiler
        self.options = list(options)
        self.environment = {**os.environ, **(environment or {})}

    def configure(self):
        if (self.folder / "build.ninja").exists():
            return True
        cache = "ccache " if shutil.which("ccache") else ""
        environment = {**self.environment, "CXX": cache + self.compiler}
        return run(["meson", "setup", self.folder, ROOT, *self.options], f"{self.name}: configure", environment)

    def tests_of(self, suites):
        """The programs that these suites run, as tests or as what a test runs, as targets."""
        if not self.configure():
            return []
        asked = subprocess.run(["meson", "introspect", "--tests", "--targets", self.folder], text=True,
                               stdout=subprocess.PIPE, check=True)
        listed = json.loads(asked.stdout)
        chosen = {target for test in listed["tests"] for target in test["depends"]
                  if {suite.split(":")[-1] for suite in test["suite"]} & set(suites)}
        return sorted(str(pathlib.Path(target["filename"][0]).relative_to(self.folder))
                      for target in listed["targets"] if target["id"] in chosen)

    def make(self, targets, jobs):
        return self.configure() and run(["ninja", "-C", self.folder, f"-j{jobs}", *targets], f"{self.name}: build")

    @contextlib.contextmanager
    def begun(self, suites, jobs):
        """For as long as the block lasts, what these suites run is built with the processors' idle time alone: tests
        that wait for a cluster's timers leave a good part of it. `make` does the rest, and shows what failed."""
        targets = self.tests_of(suites)
        worker = subprocess.Popen(["chrt", "--idle", "0", "ninja", "-C", self.folder, f"-j{jobs}", *targets],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if targets else None
        try:
            yield
        finally:
            if worker is not None:
                worker.send_signal(signal.SIGINT)
                worker.wait()

    def program(self, name):
        return self.folder / "apps" / name

    def test(self, suites, jobs, report, only=()):
        """Runs suites, or the tests named; counts each test program."""
        command = ["meson", "test", "-C", self.folder, "--no-rebuild", "--print-errorlogs", f"--num-processes={jobs}",
                   f"--timeout-multiplier={self.patience}"]
        for suite in suites:
            command += ["--suite", suite]
        began = time.monotonic()
        done = subprocess.run([*command, *only], env=self.environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        tally = {name: int(number) for name, number in
                 re.findall(r"^(Ok|Expected Fail|Fail|Unexpected Pass|Skipped|Timeout): +(\d+)", done.stdout,
                            re.MULTILINE)}
        passed = tally.get("Ok", 0)
        failed = sum(tally.get(kind, 0) for kind in ("Fail", "Unexpected Pass", "Timeout", "Skipped"))
        # A suite without a test is a mistyped name, not a success.
        if passed + failed == 0 or (done.returncode != 0 and failed == 0):
            failed += 1
        report.count(passed, failed)
        say(failed == 0, f"{self.name}: {passed} test programs of {', '.join(suites or only)}", began)
        if failed:
            print(done.stdout[-6000:], flush=True)
        return failed == 0

    def counts(self):
        log = (self.folder / "meson-logs" / "testlog.txt").read_text(errors="replace")
        return re.findall(r"^counts: ([^:]+): (\d+)(.*)$", log, re.MULTILINE)


def say(is_good, text, began):
    print(f"{'ok    ' if is_good else 'FAILED'} {text} ({time.monotonic() - began:.0f} s)", flush=True)


def run(command, what, environment=None, **options):
    """Runs a step; shows its end if it fails."""
    began = time.monotonic()
    done = subprocess.run(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **options)
    say(done.returncode == 0, what, began)
    if done.returncode != 0:
        print(done.stdout[-6000:], flush=True)
    return (done.stdout or " ") if done.returncode == 0 else None


def step(report, result):
    report.count(1 if result else 0, 0 if result else 1)
    return result


def scenarios(build, report):
    """Every scenario holds; whether each run is the same in every build is what verify() looks at."""
    output = step(report, run([build.program("vesper-sim"), "run", "--all"], "every scenario"))
    passed = len(re.findall(r"^PASS scenario=", output or "", re.MULTILINE))
    wanted = len(list((ROOT / "scenarios").glob("*.toml")))
    step(report, passed == wanted)
    report.add(f"scenarios: {passed} of {wanted} pass")


def hunt_hash(build, jobs, report):
    output = step(report, run([build.program("vesper-sim"), "hunt", "--seeds", COMPARED_SEEDS, "--jobs", str(jobs)],
                              f"{build.name}: hunt over seeds {COMPARED_SEEDS}"))
    found = re.search(r" hash=([0-9a-f]{16})$", output.strip()) if output else None
    return found.group(1) if found else None


def compare_hunts(builds, jobs, report):
    hashes = {build.name: hunt_hash(build, jobs, report) for build in builds}
    same = len(set(hashes.values())) == 1 and None not in hashes.values()
    if not same:
        print(f"the hunts differ: {hashes}")
    step(report, same)
    report.add(f"hunts: seeds {COMPARED_SEEDS} have {'the same hash' if same else 'DIFFERENT hashes'} over "
               f"{len(builds)} builds")


def verify(builds, report):
    """Event by event: each scenario in two processes of one build, and then in each other build."""
    program = builds[0].program("vesper-sim")
    said = []
    for other in builds:
        against = [] if other is builds[0] else ["--against", other.program("vesper-sim")]
        output = step(report, run([program, "verify", "--all", *against], f"{other.name}: verify every scenario"))
        said.append(f"{other.name}: {output.strip().splitlines()[-1] if output else 'FAILED'}")
    report.add("event by event: " + "; ".join(said))


def report_counts(build, report):
    found = {}
    for label, number, rest in build.counts():
        found.setdefault(label, []).append((int(number), rest.strip(" ,")))
    for label in [*LABELS, *sorted(set(found) - set(LABELS))]:
        numbers = found.get(label, [])
        total = sum(number for number, _ in numbers)
        details = "; ".join(sorted({rest for _, rest in numbers if rest}))
        report.add(f"{label}: {total}{' (' + details + ')' if details else ''}")
        if label in LABELS and total == 0:
            step(report, False)
            print(f"FAILED no test has counted any {label}", flush=True)


def usual(jobs, report, meanwhile):
    """`meanwhile` is entered where the processors have idle time."""
    build = Build("test", options=["-Ddebug=false"])
    if not step(report, build.make([], jobs)):
        return None
    build.test(["house", "core", "raft", "storage", "sim", "net"], jobs, report)
    counts = build.counts()
    with meanwhile:
        build.test(["cluster", "engines"], 1, report)
    counts += build.counts()
    build.counts = lambda: counts
    return build


def hunt(build, jobs, report):
    output = step(report, run([build.program("vesper-sim"), "hunt", "--seeds", HUNT_SEEDS, "--jobs", str(jobs)],
                              f"hunt over seeds {HUNT_SEEDS}"))
    report.add(f"hunt: {output.strip().splitlines()[-1] if output else 'FAILED'}")


def planted(report):
    output = step(report, run([ROOT / "tests" / "planted_bugs" / "run", *PLANTED], "planted bugs"))
    found = re.search(r"^planted bugs: (.*)$", output or "", re.MULTILINE)
    report.add(f"planted bugs: {found.group(1) if found else 'FAILED'}")


def compilers(usual_build, jobs, report):
    """g++ and clang++, without and with the most optimisation: every run of a scenario must be the same."""
    plain = Build("o0", options=["-Doptimization=0", "-Ddebug=false", PRECOMPILED])
    optimised = Build("o3", options=["-Doptimization=3", "-Ddebug=false", PRECOMPILED])
    clang = Build("clang-o3", compiler="clang++", options=["-Doptimization=3", "-Ddebug=false", PRECOMPILED])
    programs = ["apps/vesper-sim", "apps/vesperd", "apps/vesperctl"]
    made = [step(report, plain.make(programs[:1], jobs)), step(report, optimised.make(programs[:1], jobs)),
            step(report, clang.make(programs, jobs))]
    if all(made) and usual_build is not None:
        builds = [usual_build, plain, optimised, clang]
        verify(builds, report)
        compare_hunts(builds, jobs, report)


def address_sanitized():
    # By clang++, which takes half of g++'s time for it, and has the tests read by a second compiler.
    undefined = f"halt_on_error=1:print_stacktrace=1:suppressions={ROOT}/tests/ubsan.supp"
    return Build("asan", compiler="clang++",
                 options=["-Db_sanitize=address,undefined", "-Db_lundef=false", PRECOMPILED, *SANITIZED],
                 environment={"UBSAN_OPTIONS": undefined, "VESPER_FLIP_STEP": "11", "VESPER_SCENARIO_STEP": "4"},
                 patience=5)


def address_sanitizer(build, jobs, report):
    suites = ADDRESS_SANITIZED
    good = step(report, build.make(build.tests_of(suites), jobs)) and build.test(suites, jobs, report)
    report.add(f"ASan+UBSan: {'clean' if good else 'FAILED'} over {', '.join(suites)}")


def thread_sanitizer(usual_build, jobs, report):
    build = Build("tsan", options=["-Db_sanitize=thread", "-Db_lundef=false", *SANITIZED],
                  environment={"TSAN_OPTIONS": f"halt_on_error=1:suppressions={ROOT}/tests/tsan.supp"}, patience=5)
    good = step(report, build.make(["apps/vesperd", "apps/vesperctl", *build.tests_of(["net"])], jobs))
    if good and usual_build is not None:
        # It has no threads.
        build.program("vesper-sim").unlink(missing_ok=True)
        build.program("vesper-sim").symlink_to(usual_build.program("vesper-sim"))
    good = good and build.test(["net"], 1, report) and build.test([], 1, report, only=["cluster_document"])
    report.add(f"TSan: {'clean' if good else 'FAILED'} over net and a cluster of five")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    jobs, report, began = arguments.jobs, Report(), time.monotonic()

    sanitized = address_sanitized()
    begun = contextlib.nullcontext() if arguments.quick else sanitized.begun(ADDRESS_SANITIZED, jobs)
    build = usual(jobs, report, begun)
    if build is not None:
        report_counts(build, report)
        scenarios(build, report)
        hunt(build, jobs, report)
    if not arguments.quick:
        planted(report)
        compilers(build, jobs, report)
        address_sanitizer(sanitized, jobs, report)
        thread_sanitizer(build, jobs, report)

    print(f"\nreport ({time.monotonic() - began:.0f} s)")
    for line in report.lines:
        print(f"  {line}")
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 0 if report.failed == 0 and report.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
