"""`python -m ptycho_tf.train`: train the reference network with TensorFlow."""

import ptycho.python_version  # noqa: F401 - ends a Python that is too old

# isort: split
from collections.abc import Sequence

from ptycho.errors import exit_on_error


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line and train."""
    with exit_on_error():
        # Here, so that a package that is missing is one sentence.
        from ptycho.training import cli, train

        config = cli.training_config(arguments, prog="ptycho_tf.train")
        if cli.is_dry_run(arguments, cli.training_parser("ptycho_tf.train")):
            cli.show_dry_run(*train.rehearse(config))
            return
        from ptycho_tf import workflows

        workflows.train(config)


if __name__ == "__main__":
    main()
