"""
The two trees of a comparison, both in the run's scratch: a commit's packages out of git, and the working tree's.

Both are copies, at paths of equal length and without bytecode, so that nothing but the text differs between them. The
checkout, its index and its branches are not touched.
"""

import io
import subprocess
import tarfile
from pathlib import Path

from harness.mutation import overlay
from ptycho.errors import InfrastructureError, UsageError

PACKAGES = ("ptycho", "ptycho_torch", "ptycho_tf")
_GIT_SECONDS = 60.0


def resolve(revision: str, root: Path) -> str:
    """
    The commit of a revision.

    Args:
        revision: as the user names it.
        root: the checkout.

    Raises:
        UsageError: no git, no repository, no such commit, or a state that is no commit.
    """
    if revision.endswith("-dirty"):
        raise UsageError(
            f"--against {revision!r} is a commit with uncommitted changes, which nobody has; allowed: a commit, for "
            f"example {revision.removesuffix('-dirty')[:12]}, a branch or a tag"
        )
    if not (root / ".git").exists():
        raise UsageError(f"--against {revision!r} needs a git checkout, and {root} is none; clone the repository")
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if done.returncode:
        raise UsageError(
            f"--against {revision!r} is no commit of {root}; allowed: a commit, branch or tag that "
            "`git rev-parse` knows; a shallow clone lacks most: `git fetch --unshallow`"
        )
    return done.stdout.decode().strip()


def materialise(commit: str, root: Path, place: Path) -> tuple[Path, Path]:
    """
    Make both trees.

    Args:
        commit: of the base.
        root: the checkout; its working tree is the head.
        place: folder for them.

    Returns:
        Base and head.

    Raises:
        UsageError: the commit lacks a package.
        InfrastructureError: it cannot be unpacked.
    """
    base = place / "base"
    base.mkdir(parents=True)
    done = _git(root, "archive", "--format=tar", commit, "--", *PACKAGES)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise UsageError(
            f"commit {commit[:12]} has not all of {', '.join(PACKAGES)} ({said}); compare with a later one"
        )
    try:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(base, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise InfrastructureError(f"commit {commit[:12]} cannot be unpacked into {base}: {error}") from error
    return base, overlay.copy(root, place / "head", PACKAGES)


def _git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise UsageError("--against needs git, and there is none on PATH; install it") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise InfrastructureError(f"git {arguments[0]} failed in {root}: {error}") from error
