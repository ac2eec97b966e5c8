"""A place in the code that a person should look at."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Location:
    """
    A line of a checkout.

    Attributes:
        file: relative to the checkout, with slashes.
        line: its number, from 1, or None where only the function is known.
        function: that holds it; empty at the top of a file.
        text: of the line, or empty.
    """

    file: str
    line: int | None
    function: str
    text: str = ""

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        return f"{self.file}{line}" + (f", {self.function}()" if self.function else "")
