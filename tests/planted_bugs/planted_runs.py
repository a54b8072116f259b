"""The copy of the source in which bugs are planted, and what is run there."""

import dataclasses
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "build-planted"
COPY = WORK / "source"
# As deep under its source, and with the same options, as the builds of tests/suite.py: what ccache kept of those
# is what the bugs have not touched.
BUILD = COPY / "build"
PROGRAM = BUILD / "apps" / "vesper-sim"
FOLDERS = ("core", "sim", "net", "apps", "tests", "scenarios")
JOBS = str(os.cpu_count() or 1)
STEPS = re.compile(r"^(before|after): +steps=(\d+) ", re.MULTILINE)


@dataclasses.dataclass
class Done:
    output: str
    status: int
    cpu: float  # seconds, of all its processes

    @property
    def failed(self):
        return self.status == 1


@dataclasses.dataclass
class Shrunk:
    before: int  # steps
    after: int
    seconds: float
    is_same: bool  # it failed twice by the invariant that the hunt found


def run(command, **options):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Done(done.stdout, done.returncode, cpu)


def must(command, what, **options):
    done = run(command, **options)
    if done.status != 0:
        sys.exit(f"{what} failed:\n{done.output[-4000:]}")


def sync_copy():
    """Makes the copy equal to the source, touching only files that differ, so that little is built again."""
    wanted = {pathlib.Path("meson.build")}
    for folder in FOLDERS:
        wanted |= {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
    for path in wanted:
        to = COPY / path
        content = (ROOT / path).read_bytes()
        if to.exists() and to.read_bytes() == content:
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(content)
        shutil.copymode(ROOT / path, to)
    for path in COPY.rglob("*"):
        if path.is_file() and path.relative_to(COPY) not in wanted and not path.is_relative_to(BUILD):
            path.unlink()


def apply(planted, *options):
    must(["patch", "--strip=1", "--fuzz=0", "--no-backup-if-mismatch", *options, f"--input={planted.path}"],
         f"{planted.path.name} no longer applies: the patch", cwd=COPY)


def build():
    if not (BUILD / "build.ninja").exists():
        environment = dict(os.environ)
        if "CXX" not in environment and shutil.which("ccache"):
            environment["CXX"] = "ccache g++"
        must(["meson", "setup", "-Ddebug=false", BUILD, COPY], "meson setup", env=environment)
    must(["ninja", "-C", BUILD, "apps/vesper-sim"], "the build")


def simulate(*arguments):
    """Runs vesper-sim, which passes or finds a violation; anything else ends all."""
    done = run([PROGRAM, *arguments], cwd=COPY)
    if done.status not in (0, 1):
        sys.exit(f"vesper-sim {' '.join(arguments)} ended with status {done.status}:\n{done.output[-2000:]}")
    return done


def hunt(seeds):
    return simulate("hunt", "--seeds", f"1..{seeds}", "--jobs", JOBS, "--stop-at-first")


def play(scenario):
    return simulate("run", f"scenarios/{scenario}.toml")


def verify(scenario):
    return simulate("verify", f"scenarios/{scenario}.toml")


def broken_scenarios():
    """Returns the names of all scenarios, and of those that fail."""
    lines = re.findall(r"^(PASS|FAIL) scenario=(\w+)", simulate("run", "--all").output, re.MULTILINE)
    return {name for _, name in lines}, {name for word, name in lines if word == "FAIL"}


def shrink(planted, seed, invariant):
    """Makes the failing run small; vesper-sim runs what is left twice. None if it cannot."""
    what = [f"scenarios/{planted.scenario}.toml"] if planted.scenario else ["--seed", seed]
    done = run([PROGRAM, "shrink", *what, "--jobs", JOBS, "--out", WORK / "small.toml"], cwd=COPY)
    steps = dict(STEPS.findall(done.output))
    seconds = re.search(r"tried, in ([\d.]+) s\)", done.output)
    if not done.failed or len(steps) != 2 or not seconds:
        return None
    return Shrunk(int(steps["before"]), int(steps["after"]), float(seconds.group(1)),
                  f" violation={invariant} at=" in done.output)
