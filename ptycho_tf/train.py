"""`python -m ptycho_tf.train`: train the reference network with TensorFlow."""

from collections.abc import Sequence

from ptycho.errors import exit_on_error


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line and train."""
    with exit_on_error():
        # Here, so that a package that is missing is one sentence.
        from ptycho import cli
        from ptycho_tf import workflows

        workflows.train(cli.training_config(arguments, prog="ptycho_tf.train"))


if __name__ == "__main__":
    main()
