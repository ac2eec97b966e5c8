"""A place in the code as a value: file, line and function."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Location:
    """
    A place in the code of a backend or of the core.

    Attributes:
        file: path relative to the checkout, with slashes.
        line: line number, from 1; None where only the function is known.
        function: its name, `Class.method` for a method; empty at the top of a file.
        text: the source line, or empty.
    """

    file: str
    line: int | None = None
    function: str
    text: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}, {self.function}()" if self.function else place

    @property
    def sentence(self) -> str:
        """The place as an editor takes it, then the function and the line's text."""
        return f"{self}: {self.text}" if self.text else str(self)
