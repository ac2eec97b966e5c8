"""
A Slurm of one controller and two nodes on this machine's loopback, in a folder of its own, without accounting.

Debian's packages are enough: the configuration, the key of munge and every daemon belong to the folder, so that nothing
of the machine is changed but for the packages, and two clusters do not meet. Slurm's defaults stay wherever a fault
depends on them: there is no accounting, and a job that has ended is forgotten after five minutes.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
NODES = ("n1", "n2")
_SYSTEM = ("/usr/sbin", "/sbin")
_START_S = 30.0

_CONFIGURATION = """
ClusterName=trial
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
{nodes}
PartitionName=main Nodes=ALL Default=YES State=UP
PartitionName=short Nodes=ALL MaxTime=1 State=UP
"""


class CannotStartError(Exception):
    """Why there is no cluster here, in one sentence."""


def install() -> None:
    """
    Install the packages where their programs are not on the machine.

    Raises:
        CannotStartError: they cannot be installed here.
    """
    os.environ["PATH"] = os.pathsep.join(
        dict.fromkeys([*os.environ.get("PATH", os.defpath).split(os.pathsep), *_SYSTEM])
    )
    if not (missing := [name for name in PROGRAMS if shutil.which(name) is None]):
        return
    what = f"no {', '.join(missing)} here, of the packages {' and '.join(PACKAGES)}"
    if shutil.which("apt-get") is None:
        raise CannotStartError(f"{what}, and no apt-get to install them")
    if os.geteuid() != 0 and shutil.which("sudo") is None:
        raise CannotStartError(f"{what}; only root can install them: apt-get install {' '.join(PACKAGES)}")
    root = ["env", "DEBIAN_FRONTEND=noninteractive"] if os.geteuid() == 0 else ["sudo", "-n"]
    done = _call([*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES])
    if done.returncode != 0:
        # A bare machine has no list of packages yet.
        _call([*root, "apt-get", "update", "-qq"])
        done = _call([*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES])
    if done.returncode != 0 or any(shutil.which(name) is None for name in PROGRAMS):
        last = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise CannotStartError(f"{what}; apt-get could not install them: {last}")


def _call(argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)


@dataclass
class Cluster:
    """
    A running cluster.

    Attributes:
        folder: its configuration, state, logs.
        cpus: of each node.
        ports: of the controller and of the nodes.
    """

    folder: Path
    cpus: int = 4
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def configuration(self) -> Path:
        """The file that `SLURM_CONF` names."""
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Slurm's commands find it."""
        return {**os.environ, "SLURM_CONF": str(self.configuration)}

    def start(self) -> None:
        """
        Start everything and wait for both nodes.

        Raises:
            CannotStartError: something did not start; with the end of its log.
        """
        self.folder.chmod(0o755)
        for name in ("munge", "state", *NODES):
            (self.folder / name).mkdir(mode=0o700)
        (self.folder / "munge" / "key").write_bytes(os.urandom(1024))
        (self.folder / "munge" / "key").chmod(0o600)
        self.ports = dict(zip(("slurmctld", *NODES), _free_ports(1 + len(NODES)), strict=True))
        nodes = [
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={self.ports[name]} CPUs={self.cpus}"
            for name in NODES
        ]
        user = _call(["id", "-un"]).stdout.strip()
        text = _CONFIGURATION.format(
            controller=self.ports["slurmctld"], user=user, folder=self.folder, nodes="\n".join(nodes)
        )
        self.configuration.write_text(text)
        self._daemon(
            "munged",
            *("--force", f"--key-file={self.folder}/munge/key", f"--socket={self.folder}/munge/socket"),
            *(f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log"),
            f"--seed-file={self.folder}/munge/seed",
        )
        self.start_controller()
        for name in NODES:
            self.start_node(name)
        self._wait_for_nodes()

    def start_controller(self) -> None:
        """Start the controller, with the state that it had."""
        self._daemon("slurmctld")

    def start_node(self, name: str) -> None:
        """Start a node's daemon."""
        self._daemon("slurmd", "-N", name)

    def _daemon(self, program: str, *arguments: str) -> None:
        done = subprocess.run([program, *arguments], env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CannotStartError(f"{program} does not start: {done.stderr.strip()[-400:] or done.returncode}")

    def _wait_for_nodes(self) -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            shown = subprocess.run(
                ["sinfo", "--noheader", "--Node", "--partition=main", "--format=%T"],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if shown.stdout.split() == ["idle"] * len(NODES):
                return
            time.sleep(0.2)
        logs = [self._end_of(name) for name in ("slurmctld", *NODES)]
        raise CannotStartError(f"the nodes do not come up within {_START_S:g} s: {'; '.join(logs)}")

    def _end_of(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return f"{path.name}: {path.read_text()[-200:].strip() if path.is_file() else 'not there'}"

    def pid(self, name: str) -> int:
        """Process of a daemon: `munged`, `slurmctld`, or of a node."""
        return int((self.folder / f"{name}.pid").read_text())

    def stop_daemon(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End a daemon and wait until it is gone."""
        try:
            pid = self.pid(name)
            os.kill(pid, number)
        except (OSError, ValueError):
            return
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            try:
                os.kill(pid, 0)
            except OSError:
                return
            if _stat(pid) in ("Z", ""):
                return
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> list[str]:
        """Cancel every job and end every daemon; returns the processes that are left, which is none."""
        subprocess.run(["scancel", "--me"], env=self.environment, capture_output=True, check=False, timeout=60)
        self._wait_for_jobs()
        for name in (*NODES, "slurmctld", "munged"):
            self.stop_daemon(name)
        return self.processes()

    def _wait_for_jobs(self) -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self.processes("slurmstepd"):
            time.sleep(0.2)

    def processes(self, program: str = "") -> list[str]:
        """Living processes of this cluster: their command line or environment names its folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                own = (path / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            first = line.split(" ")[0].rpartition("/")[2].rstrip(":")
            daemon = first in ("munged", "slurmctld", "slurmd", "slurmstepd")
            if daemon and str(self.folder) in line + own and program in first:
                found.append(f"{path.name} {line.strip()}")
        return found


def _stat(pid: int) -> str:
    """The state of a process, one letter; empty if it is gone."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()
