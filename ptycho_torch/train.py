"""`python -m ptycho_torch.train`: train the reference network with PyTorch."""

from collections.abc import Sequence

from ptycho import cli
from ptycho.errors import exit_on_error
from ptycho_torch import workflows


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line and train."""
    with exit_on_error():
        workflows.train(cli.training_config(arguments, prog="ptycho_torch.train"))


if __name__ == "__main__":
    main()
