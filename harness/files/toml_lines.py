"""
Finds the line of a key in a TOML text.

The reader of the standard library keeps no positions, and a message without a line sends a person through a file of
sixty lines. This reads no values: it follows headers, keys, brackets and strings just far enough to know where a key
begins, in a text that the real reader has accepted already.
"""

import re

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_STRINGS = ('"""', "'''", '"', "'")


def _parts(dotted: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in re.findall(_PART, dotted))


class _LineState:
    """State at the end of a line: inside an array, an inline table or a string of several lines."""

    def __init__(self) -> None:
        self.depth = 0
        self.quote = ""

    @property
    def outside(self) -> bool:
        return not self.depth and not self.quote

    def read(self, line: str) -> None:
        at = 0
        while at < len(line):
            if self.quote:
                at = self._within(line, at)
                continue
            opened = next((quote for quote in _STRINGS if line.startswith(quote, at)), "")
            if line[at] == "#":
                return
            self.quote = opened
            self.depth += (line[at] in "[{") - (line[at] in "]}")
            at += len(opened) or 1

    def _within(self, line: str, at: int) -> int:
        if line[at] == "\\" and self.quote.startswith('"'):
            return at + 2
        if line.startswith(self.quote, at):
            width = len(self.quote)
            self.quote = ""
            return at + width
        return at + 1


class Lines:
    """
    Lines of the tables and keys of a TOML text.

    Args:
        text: a text that `tomllib` accepts.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._starts: dict[Path, int] = {}
        counts: dict[Path, int] = {}
        table: Path = ()
        state = _LineState()
        for number, line in enumerate(self._lines, 1):
            outside = state.outside
            if outside and (header := _HEADER.match(line)):
                table = _parts(header[2])
                if header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, counts[table])
                self._starts.setdefault(table, number)
                continue
            if outside and (key := _KEY.match(line)):
                self._starts.setdefault((*table, *_parts(key[1])), number)
            state.read(line)

    def of(self, path: Path, value: str = "") -> int:
        """
        The line to send a reader to.

        Args:
            path: table, key and so on; a number counts the tables of an array. What is not there by itself (a missing
                key, a key of an inline table) is given the line of what should hold it.
            value: text to look for from there to the next key, for a list that goes over several lines.

        Returns:
            A line from 1; the last one for a table that is not there at all.
        """
        held = next((path[:k] for k in range(len(path), 0, -1) if path[:k] in self._starts), None)
        if held is None:
            return max(len(self._lines), 1)
        start = self._starts[held]
        if not value:
            return start
        end = min((line for line in self._starts.values() if line > start), default=len(self._lines) + 1)
        return next((n for n in range(start, end) if value in self._lines[n - 1]), start)
