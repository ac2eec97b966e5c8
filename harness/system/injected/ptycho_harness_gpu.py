"""
Finds what a process touched of a GPU, by `/proc`: the harness looks at its children, each child at itself at its end.

A look from outside can miss what happens between two looks; the one from inside, taken when the interpreter exits,
misses only what a process took back. What counts is the name of what is mapped or open, as that needs no driver to be
shown: a stand-in of the same name is caught the same way. It must not import anything else of the project, like
    everything in this folder.
"""

import os

LIBRARIES = (b"libcuda.so", b"libamdhip64.so")
"""Driver libraries: whoever maps one has called for a GPU. A framework's own run-time libraries are none of them."""

NODES = ("/dev/nvidia", "/dev/kfd")
"""Device files, wherever they lie: a stand-in's path ends the same way."""

HIDDEN = "CUDA_VISIBLE_DEVICES"
"""The variable that hides every GPU where it is set to nothing."""

WITHOUT = f"began without {HIDDEN}"


def environ(pid: int | str) -> dict[str, str]:
    """A process's environment at its exec, which nothing that it does later changes."""
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - a child need not load pathlib
        pairs = (os.fsdecode(entry).partition("=") for entry in file.read().split(b"\0") if entry)
        return {name: value for name, _, value in pairs}


def touched(pid: int | str) -> list[str] | None:
    """
    Return what a process shows of a GPU: variables that do not hide it, driver libraries, device files.

    Args:
        pid: pid of the process, or `"self"`.

    Returns:
        A sentence's end each, such as `"maps /usr/lib/libcuda.so.1"`; None if it is gone.

    Raises:
        PermissionError: it does not let itself be looked at.
    """
    try:
        variables = environ(pid)
        nodes = [_link(pid, name) for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH208 - as above
        # Last: one that ends meanwhile has no memory now, and may have had no variables before.
        with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123 - as above
            maps = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if not maps:
        return None  # a zombie
    found = [] if variables.get(HIDDEN) == "" else [_shown(variables)]
    if any(library in maps for library in LIBRARIES):
        lines = (line.split(b" ", 5)[-1].strip() for line in maps.splitlines())
        mapped = {line for line in lines if any(library in line for library in LIBRARIES)}
        found += [f"maps {os.fsdecode(path)}" for path in sorted(mapped)]
    return found + [f"has {node} open" for node in sorted(set(nodes)) if any(known in node for known in NODES)]


def _link(pid: int | str, descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115 - as above
    except OSError:
        return ""  # closed since it was listed, the listing's own among them


def _shown(variables: dict[str, str]) -> str:
    return f"began with {HIDDEN}={variables[HIDDEN]!r}" if HIDDEN in variables else WITHOUT


def report(log: str) -> None:
    """
    Say that this process began, and when it ends, what it has touched.

    One line each: pid, `begin`, `touched` or `end`, and what. A process that is killed says no `end`.
    """
    import atexit

    def say(*rows: tuple[str, str]) -> None:
        text = "".join(f"{os.getpid()}\t{word}\t{what}\n" for word, what in rows)
        # Opened each time: a program may close every descriptor that it did not open.
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.write(descriptor, text.encode(errors="surrogateescape"))
        os.close(descriptor)

    def ended() -> None:
        try:
            found = touched("self")
        except OSError as error:
            say(("unreadable", str(error)))
        else:
            rows = [("unreadable", "there is no /proc")] if found is None else [("touched", what) for what in found]
            say(*rows, ("end", ""))

    say(("begin", ""))
    # Registered first, so run last: what other handlers do is seen, too.
    atexit.register(ended)
