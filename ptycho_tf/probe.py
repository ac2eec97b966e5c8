"""`python -m ptycho_tf.probe`: the old name of `ptycho_tf.adapter`, for one release."""

import ptycho.python_version  # noqa: F401 - ends a Python that is too old

# isort: split
from collections.abc import Sequence

from ptycho.command_line import renamed
from ptycho.errors import exit_when_started

with exit_when_started(__name__):
    from ptycho_tf import adapter


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer a request, and say what the command is called now."""
    renamed("python -m ptycho_tf.probe", "python -m ptycho_tf.adapter")
    adapter.main(arguments)


if __name__ == "__main__":
    main()
