"""A Slurm cluster of one node for a test: munged, slurmctld and slurmd on loopback, all they need and write in one
folder, and ended by their process ids. No cgroup, no accounting: what a container can do."""

import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
READY_WITHIN = 60
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs=2 State=UNKNOWN
PartitionName=all Nodes=node Default=YES MaxTime=INFINITE State=UP
"""


class CannotStart(Exception):
    """Which part, and why: a test says so instead of passing."""


def paths_with_sbin():
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for bound in sockets:
        bound.bind(("127.0.0.1", 0))
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


class SlurmCluster:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []
        self.environment = {**os.environ, "PATH": paths_with_sbin(), "SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        lacking = [name for name in PROGRAMS if shutil.which(name, path=paths_with_sbin()) is None]
        if lacking:
            raise CannotStart(f"{', '.join(lacking)}: not installed (Debian: slurmctld slurmd slurm-client munge)")
        self.folder.chmod(0o755)
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        controller_port, node_port = free_ports(2)
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(
            folder=self.folder, host=socket.gethostname().split(".")[0], user=getpass.getuser(),
            controller_port=controller_port, node_port=node_port))
        self.run("munged", "--foreground", "--force", "--key-file", key, "--socket", self.folder / "munge.socket",
                 "--pid-file", self.folder / "munge.pid", "--log-file", self.folder / "munge.log",
                 "--seed-file", self.folder / "munge.seed")
        self.wait_for("munged", lambda: (self.folder / "munge.socket").exists())
        self.run("slurmctld", "-D", "-i")
        self.run("slurmd", "-D", "-N", "node")
        self.wait_for("a node that takes jobs", self.is_ready)

    def run(self, *command):
        log = self.folder / f"{command[0]}.out"
        with open(log, "wb") as out:
            self.processes.append((command[0], log, subprocess.Popen(
                [str(part) for part in command], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT)))

    def wait_for(self, what, is_there):
        until = time.monotonic() + READY_WITHIN
        while not is_there():
            for name, log, process in self.processes:
                if process.poll() is not None:
                    raise CannotStart(f"{name} ended with status {process.returncode}: {last_words(log)}")
            if time.monotonic() > until:
                words = "; ".join(f"{name}: {last_words(log)}" for name, log, _ in self.processes)
                raise CannotStart(f"{what} within {READY_WITHIN} s: {words}")
            time.sleep(0.1)

    def is_ready(self):
        asked = subprocess.run(["sinfo", "--noheader", "--format=%T"], env=self.environment, capture_output=True,
                               text=True, check=False)
        return asked.stdout.strip() == "idle"

    def stop(self):
        """Ends what it started, the last first: slurmd ends what its jobs have left."""
        for _, _, process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def last_words(log):
    lines = log.read_text(errors="replace").strip().splitlines()
    return " | ".join(lines[-3:])
