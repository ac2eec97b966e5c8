"""
Standard output and standard error that never end a command: full, closed, a broken pipe, a terminal that is gone.

What a command does is worth more than what it prints of it: after a stream has failed, the rest of its output goes
nowhere, and the command goes on. Where the output is what was asked for (a JSON document), the failure is reported at
the end, and the exit code is `Verdict.INFRA`.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast


class Stream:
    """
    A text stream whose failures are remembered instead of raised.

    Args:
        stream: the stream; None where its descriptor was closed when the process began.

    Attributes:
        failure: the first failure, or None.
        required: whether what is written is what was asked for.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.failure: OSError | None = None
        self.required = False
        if stream is None:
            self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
            # No other file may get the number of a standard stream.
            stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, as far as anybody reads."""
        if self.failure is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._fail(error)
            except UnicodeEncodeError:
                # What the stream's encoding cannot say is escaped: a message is not a reason to end.
                encoding = self._stream.encoding or "ascii"
                return self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, as far as anybody reads."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _fail(self, error: OSError) -> None:
        self.failure = error
        # What is still in the buffer would fail again when the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def guarded() -> Iterator[Stream]:
    """
    Standard output and error are streams of this kind in the block.

    Yields:
        Standard output.
    """
    if isinstance(sys.stdout, Stream):
        yield sys.stdout
        return
    before = sys.stdout, sys.stderr
    out, err = Stream(sys.stdout), Stream(sys.stderr)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def require_output() -> None:
    """Note that standard output is what was asked for: a command that cannot write it does not pass."""
    if isinstance(sys.stdout, Stream):
        sys.stdout.required = True
