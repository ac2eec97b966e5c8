"""Where in the code something happened, as a value: file, line and function."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Location:
    """
    A place in the code of a backend or of the core.

    Attributes:
        file: path relative to the checkout.
        line: line number; None where only the function is known.
        function: its name, `Class.method` for a method.
        text: the source line, or "".
    """

    file: str
    line: int | None = None
    function: str
    text: str = ""

    @property
    def sentence(self) -> str:
        """The place as an editor takes it, then the function and the line's text."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        where = f"{place}, {self.function}()" if self.function else place
        return f"{where}: {self.text}" if self.text else where
