"""`python -m ptycho_tf.inference`: reconstruct a scan with weights that TensorFlow trained."""

import ptycho.python_version  # noqa: F401 - ends a Python that is too old

# isort: split
from collections.abc import Sequence

from ptycho.errors import exit_on_error


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line, reconstruct, and show the scores where the file knows the truth."""
    with exit_on_error():
        # Here, so that a package that is missing is one sentence.
        from ptycho.training import cli, inference

        config = cli.inference_config(arguments, prog="ptycho_tf.inference")
        if cli.is_dry_run(arguments, cli.inference_parser("ptycho_tf.inference")):
            cli.show_dry_run(*inference.rehearse(config))
            return
        from ptycho_tf import workflows

        result = workflows.infer(config)
        if not config.runtime.quiet:
            cli.show_reconstruction(result.summary, result.output_dir)


if __name__ == "__main__":
    main()
