"""`python -m harness.faults.kill.stub_backend.train`: a training of the core's with the stand-in for a network."""

from collections.abc import Sequence

from ptycho.errors import exit_on_error
from ptycho.training import cli, train

BACKEND = "harness.faults.kill.stub_backend"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line and train."""
    with exit_on_error():
        train.run(cli.training_config(arguments, prog=f"{BACKEND}.train"), BACKEND)


if __name__ == "__main__":
    main()
