"""
The table of faults: what the harness must survive, how it is injected, and what is right.

Rows and nothing else. Which tests inject and judge each of them is read from the tests (`harness.faults.table`), so
that the table cannot promise a test that there is not.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FaultRow:
    """
    A fault.

    Attributes:
        id: what a test names in `@pytest.mark.fault(...)`.
        fault: what happens.
        injection: how a test makes it happen.
        behaviour: what is right.
    """

    id: str
    fault: str
    injection: str
    behaviour: str


ROWS = (
    FaultRow(
        id="training-killed",
        fault="SIGKILL of the training, within an epoch too",
        injection="the training says its phases and epochs; it is killed at a seeded random moment of one",
        behaviour="fail, naming signal 9; what was measured so far is kept and marked; the last checkpoint loads",
    ),
    FaultRow(
        id="harness-killed",
        fault="SIGKILL of the harness, or of nox",
        injection="the same, on the supervisor or on the nox above it; then the next run",
        behaviour="the next run finds the dead one, ends its processes, removes its scratch and passes; a harness "
        "whose nox is gone ends by itself",
    ),
    FaultRow(
        id="hang",
        fault="a hang, with the interpreter's lock released or held",
        injection="a mutex of the C library locked twice, through ctypes in both ways",
        behaviour="a watchdog outside the process: stacks dumped, the tree ended, timeout",
    ),
    FaultRow(
        id="memory",
        fault="out of memory",
        injection="a child that allocates and touches more than its limit",
        behaviour="out of memory, with the figure",
    ),
    FaultRow(
        id="disk-full",
        fault="no space, or no inodes, left",
        injection="a small file system of the test's own; an allocation that is refused",
        behaviour="every map is reserved before the training begins; infrastructure, with bytes needed and free",
    ),
    FaultRow(
        id="odd-paths",
        fault="output that is read-only; blanks, unicode, newline, %, a leading dash, 250 characters in a path",
        injection="a read-only bind mount; runs under such a root",
        behaviour="preflight names the path; elsewhere identical results",
    ),
    FaultRow(
        id="signals",
        fault="SIGINT, SIGINT twice, SIGTERM, SIGINT inherited as ignored",
        injection="sent to the leader and to the group",
        behaviour="drained, cleaned up, interrupted (130); a second one kills",
    ),
    FaultRow(
        id="orphans",
        fault="orphans by fork, setsid, fork",
        injection="a child does it",
        behaviour="none is alive afterwards: the token, and adoption, find what a group's signal misses",
    ),
    FaultRow(
        id="pid-reuse",
        fault="a pid that belongs to somebody else by now",
        injection="a stale record that names a living stranger",
        behaviour="start time, boot and token are compared; a stranger is never signalled",
    ),
    FaultRow(
        id="damaged-files",
        fault="a file that is corrupted, cut short, empty, or a web page",
        injection="edits of its bytes",
        behaviour="refused before a framework is imported; file, expected and actual are named",
    ),
    FaultRow(
        id="hostile-archives",
        fault="pickles, a zip bomb, a lying or huge header, duplicate members, `../`, NaN, negative values",
        injection="crafted archives",
        behaviour="refused by the data contract, with every violation",
    ),
    FaultRow(
        id="half-checkpoint",
        fault="a checkpoint half written",
        injection="SIGKILL, and a full disk, inside the save",
        behaviour="the old one is intact; a digest is checked when one is loaded",
    ),
    FaultRow(
        id="stale-map",
        fault="a memory map of another run under the same name",
        injection="other content, shape, patch side or seed in the same place",
        behaviour="the manifest is compared; a map is never taken by its name, nor written over",
    ),
    FaultRow(
        id="concurrent-runs",
        fault="runs at the same time",
        injection="eight in one workspace; two that build the same environment",
        behaviour="a root each; what is shared is under a lock with a time limit",
    ),
    FaultRow(
        id="planted-links",
        fault="a link, a swapped parent, a hard link or a mount inside what is cleaned up",
        injection="planted before and during the clean-up",
        behaviour="nothing outside is touched; what had to stay is reported",
    ),
    FaultRow(
        id="tracking",
        fault="an old `./mlruns`, a locked database, a dead tracking server",
        injection="planted in the working directory, locked by another process, named in the environment",
        behaviour="the verdict is the same, the trouble is reported, the working directory unchanged by a byte",
    ),
    FaultRow(
        id="moved-folder",
        fault="the output folder of a training is moved, or copied, and the training resumed",
        injection="both, with a tracking store that names absolute places",
        behaviour="everything is written to the new place, nothing to the old one",
    ),
    FaultRow(
        id="installer",
        fault="no uv, no network, an index that refuses",
        injection="an emptied PATH, `UV_OFFLINE`, a dead proxy",
        behaviour="the fall-back, else infrastructure that names the package; a half-built environment is not used",
    ),
    FaultRow(
        id="leaked-environment",
        fault="variables of the caller",
        injection="`PYTHONPATH`, `PYTEST_ADDOPTS`, `TF_*`, `MLFLOW_*`, `UV_PYTHON`",
        behaviour="an allow-list: none reaches a child",
    ),
    FaultRow(
        id="gpu-missing",
        fault="a GPU is asked for and none is there",
        injection="an empty `CUDA_VISIBLE_DEVICES`, a probe that computes nothing",
        behaviour="infrastructure, and no skip",
    ),
    FaultRow(
        id="gpu-forbidden",
        fault="a GPU is there and must not be used",
        injection="a driver's library mapped, a device opened by a child",
        behaviour="found and named; a lane without the proof fails",
    ),
    FaultRow(
        id="clock",
        fault="the clock jumps, or everything is suspended",
        injection="a patched wall clock; SIGSTOP of the tree",
        behaviour="durations come from the monotonic clock; a gap in the heartbeat is inconclusive",
    ),
    FaultRow(
        id="silent-suite",
        fault="no test collected, all skipped, one missing; an old outcome, or one of another state",
        injection="empty and skipping suites, tests left out of the log, changed locks and data",
        behaviour="red: absence is never a pass",
    ),
    FaultRow(
        id="report-volume",
        fault="the volume of the reports is full; a summary of more than a mebibyte",
        injection="a file system without space; thousands of long messages",
        behaviour="the verdict is unchanged and says so; the summary is cut with a note, the whole kept beside it",
    ),
    FaultRow(
        id="leaks",
        fault="files, descriptors, threads or shared memory that are left",
        injection="each planted by a child",
        behaviour="found and named, with its owner",
    ),
    FaultRow(
        id="code-unknown",
        fault="code that git says nothing about: no git, another owner, a hidden change, another repository's GIT_DIR",
        injection="a checkout without git; an entry of the index marked skip-worktree; GIT_DIR of a hook",
        behaviour="a digest of the files says what the code is; what cannot be read is infrastructure, and never equal",
    ),
    FaultRow(
        id="clock-ahead",
        fault="a clock that was ahead, so that an old run seems to be the newest",
        injection="a run's folder with a name from the future",
        behaviour="runs are numbered, and the last one counts",
    ),
    FaultRow(
        id="left-out",
        fault="a part of the tests, fixtures or checks taken for the whole",
        injection="--ignore, -k, --fixture, --brief",
        behaviour="the manifest is asked: no part is a verdict of the whole",
    ),
    FaultRow(
        id="elsewhere",
        fault="a living run seen from a container, or from another host of a shared file system",
        injection="a run of another process whose record names pids and a boot that are not here",
        behaviour="its lock is held: it is alive; what cannot be proven dead is named and not touched",
    ),
    FaultRow(
        id="record-removed",
        fault="the record of a run removed by what it ran",
        injection="run.json is unlinked",
        behaviour="infrastructure; `clean --check` names the folder, `clean --all` removes it",
    ),
    FaultRow(
        id="planted-reports",
        fault="links, pipes and folders planted where the harness writes",
        injection="a training puts them into the run's folder under the names of logs and reports",
        behaviour="nothing outside the run changes, and the run fails with the names",
    ),
    FaultRow(
        id="hostile-files",
        fault="files that wait, grow when expanded, claim what they do not hold, or are damaged",
        injection="a named pipe, a device, a small archive of large arrays, cut and flipped bytes",
        behaviour="a finding of that fixture within seconds, in bounded memory; everything else still reports",
    ),
    FaultRow(
        id="commanding-text",
        fault="output that commands the terminal or the CI service",
        injection="workflow commands, escape sequences, NUL and letters that turn the direction of text",
        behaviour="it is shown as what it is, a long line by its end",
    ),
    FaultRow(
        id="no-output",
        fault="standard output full, closed, or read by nobody any more",
        injection="/dev/full, a closed descriptor, a pipe whose reader has ended",
        behaviour="the command goes on and keeps its exit code; 13 where the output was what was asked for",
    ),
    FaultRow(
        id="pid-hopper",
        fault="a process that starts its successor and ends at once, for ever",
        injection="a program that forks every fifth of a millisecond",
        behaviour="it is ended with its process group, and the run fails",
    ),
    FaultRow(
        id="empty-environment",
        fault="a process without the run's token: of a harness that was killed, or of a command that is over",
        injection="a training starts programs with an empty environment, sessions and outputs of their own, and the "
        "harness is killed",
        behaviour="it is ended by its control group; without one, by the log that it writes to or the scratch that it "
        "works in",
    ),
    FaultRow(
        id="reserved-names",
        fault="names that become paths or variables of the harness",
        injection="generated target names, fixture names, variables and output paths",
        behaviour="a plain word, or refused with its line before anything runs",
    ),
    FaultRow(
        id="hidden-startup",
        fault="an environment whose own sitecustomize the observer hides",
        injection="a sitecustomize in the path of a child",
        behaviour="both run",
    ),
    FaultRow(
        id="old-python",
        fault="a Python that is too old, at any entry point",
        injection="an interpreter that says it is 3.9; those of 3.8 to 3.10 that the machine has",
        behaviour="one sentence with the version that is there and those that are needed; infrastructure",
    ),
    FaultRow(
        id="odd-users",
        fault="a user without home and passwd entry; a checkout with ':' in its path; a root behind links",
        injection="HOME taken away; such folders",
        behaviour="the run passes, or is refused by name",
    ),
    FaultRow(
        id="cluster-task-killed",
        fault="a task of a Slurm array dies, and Slurm keeps no accounting",
        injection="SIGKILL of the task, and of its session, on a real two-node Slurm and as processes of this machine",
        behaviour="infrastructure within ten seconds, unless a rung had failed before; the others' results stay",
    ),
    FaultRow(
        id="cluster-time-limit",
        fault="the time limit of a task of an array",
        injection="a session that never ends, and one that does not heed SIGTERM",
        behaviour="SIGTERM before the limit, everything torn down, every report written; timeout",
    ),
    FaultRow(
        id="cluster-cancelled",
        fault="the command that waits for an array, or the array itself, is ended",
        injection="SIGINT, SIGTERM and SIGKILL of the command; somebody else's scancel",
        behaviour="the array is cancelled, its tasks tear down and are interrupted; what had passed stays",
    ),
    FaultRow(
        id="cluster-never-starts",
        fault="a task of an array that cannot start, or not soon",
        injection="a limit above the partition's, more cores than a node has, a full cluster",
        behaviour="Slurm's reason is printed while it waits; it ends after a limit; infrastructure",
    ),
    FaultRow(
        id="cluster-refuses",
        fault="a partition or a GPU that the cluster does not have",
        injection="options of the command",
        behaviour="one sentence, with the partitions that there are; usage for a wrong name, infrastructure for a GPU",
    ),
    FaultRow(
        id="cluster-silent",
        fault="Slurm's controller, or a machine, says nothing any more",
        injection="the controller is stopped before and after the array is submitted; SIGSTOP of a task",
        behaviour="results are taken from the shared folder all the same; after a limit the rest is infrastructure",
    ),
    FaultRow(
        id="cluster-folder",
        fault="the folder of an array cannot be made",
        injection="a file in its place, a read-only mount",
        behaviour="one sentence; infrastructure",
    ),
    FaultRow(
        id="cluster-library",
        fault="the interpreter of the tasks lacks a package",
        injection="nox is not found",
        behaviour="one sentence with the command that installs it; infrastructure",
    ),
    FaultRow(
        id="campaign-killed",
        fault="a node, a worker or the command of a campaign is killed; two campaigns share a folder",
        injection="SIGKILL within a batch, on a real Slurm too; planted claims and results; drawn sequences of deaths",
        behaviour="the same command goes on; what lives is never taken over; merged only if each cell ran exactly once",
    ),
)
