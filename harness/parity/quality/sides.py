"""The two sides of a comparison of trained quality: both backends, or one of them in two precisions."""

from dataclasses import dataclass, replace
from pathlib import Path

from harness.targets import loader
from harness.targets.loader import Target
from ptycho.errors import UsageError

RUN_TIMEOUT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Side:
    """
    A network that is trained, under its name.

    Attributes:
        name: as reports have it.
        backend: `torch` or `tf`.
        words: added to its commands, of training and of inference.
    """

    name: str
    backend: str
    words: tuple[str, ...] = ()

    def target(self, path: Path) -> Target:
        """
        Its target, with all the time in the world: a target's own limits are for the short job on the small scan.

        Raises:
            UsageError: it leaves no summary or no arrays: that both sides had one input could not be shown.
        """
        target = loader.load(path)
        if target.summary is None or target.pictures is not None or target.train is None:
            raise UsageError(
                f"target {path}: trained quality needs [train], [summary] and its object as arrays, not pictures"
            )
        train, infer = (
            replace(command, argv=(*command.argv, *self.words), timeout_s=RUN_TIMEOUT_S)
            for command in (target.train, target.infer)
        )
        return replace(target, train=train, infer=infer)


@dataclass(frozen=True, kw_only=True)
class Contest:
    """
    Pair that is compared. A difference is the first less the second.

    Attributes:
        title: what the comparison is called.
        kind: kind of its runs.
        first, second: the sides.
    """

    title: str
    kind: str
    first: Side
    second: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both."""
        return self.first, self.second

    @property
    def names(self) -> tuple[str, str]:
        """Of both sides."""
        return self.first.name, self.second.name

    @property
    def backends(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(side.backend for side in self.sides))

    @property
    def file(self) -> str:
        """Name of the document that a campaign leaves."""
        return f"{self.kind}.json"


BACKENDS = Contest(
    title="R9 trained quality",
    kind="quality",
    first=Side(name="torch", backend="torch"),
    second=Side(name="tf", backend="tf"),
)


def precisions(backend: str) -> Contest:
    """A backend's bfloat16 against its float32."""
    first, second = (
        Side(name=f"{backend}-{precision}", backend=backend, words=("--precision", precision))
        for precision in ("bf16", "f32")
    )
    return Contest(title=f"trained quality of bf16, {backend}", kind="precision", first=first, second=second)
