"""
Asks git about a checkout, and says why where it gives no answer.

Variables that point git at another repository are taken away: a hook runs with `GIT_DIR` set to its own. Nothing is
written: without `GIT_OPTIONAL_LOCKS=0` a mere question refreshes the index.
"""

import os
import subprocess
from pathlib import Path

SECONDS = 60.0
"""On a busy machine git was seen to take more than 5 s; without its answer a commit is unknown and refused."""

LOCAL = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    *("GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE"),
)
"""Variables that name one repository, or a part of it."""

OWNER = ("dubious ownership", "safe.directory")
"""Words by which git refuses a checkout that belongs to somebody else."""


class GitError(Exception):
    """Git gave no answer; the message says why, and what to do."""


def ask(root: Path, *arguments: str, seconds: float | None = None) -> bytes:
    """
    Return what git prints about a checkout.

    Args:
        root: the checkout.
        arguments: of git.
        seconds: time limit.

    Raises:
        GitError: there is no git, it refuses the checkout, fails, or takes too long.
    """
    limit = SECONDS if seconds is None else seconds
    env = {name: value for name, value in os.environ.items() if name not in LOCAL}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            check=False,
            timeout=limit,
            stdin=subprocess.DEVNULL,
            env=env | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise GitError("there is no git on PATH; install it") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {arguments[0]} took more than {limit:g} s in {root}; try again") from error
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip()
    if any(word in said for word in OWNER):
        raise GitError(
            f"git refuses {root}, because it belongs to another user (dubious ownership); if you trust it: "
            f"git config --global --add safe.directory {root}"
        )
    last = said.splitlines()[-1] if said else f"exit code {done.returncode}"
    raise GitError(f"git {arguments[0]} failed in {root}: {last}")
