"""`python -m harness.endings.stand_in.train`: a training of the core's with the stand-in for a network."""

from collections.abc import Sequence

from ptycho import cli, training
from ptycho.errors import exit_on_error

BACKEND = "harness.endings.stand_in"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line and train."""
    with exit_on_error():
        training.run(cli.training_config(arguments, prog=f"{BACKEND}.train"), BACKEND)


if __name__ == "__main__":
    main()
