"""`python -m harness`: see `harness.cli`."""

import sys

from harness import isolation

isolation.leave_working_directory()
if (sentence := isolation.stranger()) is not None:
    print(f"error: {sentence}", file=sys.stderr)
    raise SystemExit(2)

from harness.cli import main  # noqa: E402 - it imports ptycho

raise SystemExit(main())
