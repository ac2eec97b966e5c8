"""
The two trees of a comparison, both in the run's scratch: a commit's packages out of git, and the working tree's.

Both are copies, at paths of equal length and without bytecode, so that nothing but the text differs between them. The
checkout, its index and its branches are not touched.
"""

import io
import shutil
import tarfile
from pathlib import Path

from harness.isolation import source_overlay
from ptycho import git
from ptycho.errors import InfrastructureError, UsageError

PACKAGES = ("ptycho", "ptycho_torch", "ptycho_tf")


def resolve(revision: str, root: Path) -> str:
    """
    The commit of a revision.

    Args:
        revision: as the user names it.
        root: the checkout.

    Raises:
        UsageError: no git, no repository, no such commit, or a state that is not a commit.
        InfrastructureError: git refuses the checkout.
    """
    if revision.endswith("-dirty"):
        raise UsageError(
            f"REV {revision!r} is a commit with uncommitted changes, which nobody has; allowed: a commit, for "
            f"example {revision.removesuffix('-dirty')[:12]}, a branch or a tag"
        )
    if not (root / ".git").exists():
        raise UsageError(f"REV {revision!r} needs a git checkout, and {root} is none; clone the repository")
    if shutil.which("git") is None:
        raise UsageError(f"REV {revision!r} needs git, which is not on PATH; install it")
    try:
        git.ask(root, "rev-parse", "--git-dir")
    except git.GitError as error:
        raise InfrastructureError(f"REV {revision!r} cannot be looked up: {error}") from error
    try:
        done = git.ask(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except git.GitError as error:
        raise UsageError(
            f"REV {revision!r} is not a commit of {root}; allowed: a commit, branch or tag that "
            "`git rev-parse` knows; a shallow clone lacks most: `git fetch --unshallow`"
        ) from error
    return done.decode().strip()


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
    export(commit, root, place / "base")
    return place / "base", source_overlay.copy(root, place / "head", PACKAGES)


def export(commit: str, root: Path, tree: Path) -> Path:
    """
    Unpack a commit's packages.

    Args:
        commit: the commit.
        root: the checkout.
        tree: folder to make.

    Returns:
        The folder.

    Raises:
        UsageError: the commit lacks a package.
        InfrastructureError: it cannot be unpacked.
    """
    tree.mkdir(parents=True)
    try:
        packed = git.ask(root, "archive", "--format=tar", commit, "--", *PACKAGES)
    except git.GitError as error:
        raise UsageError(
            f"commit {commit[:12]} has not all of {', '.join(PACKAGES)} ({error}); compare with a later one"
        ) from error
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(tree, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise InfrastructureError(f"commit {commit[:12]} cannot be unpacked into {tree}: {error}") from error
    return tree
