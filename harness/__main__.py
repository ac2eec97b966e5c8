# PYTHON_ARGCOMPLETE_OK
"""`python -m harness`: see `harness.cli`. This file must run on any Python 3, to say that a newer one is needed."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file alone must run there
    version = ".".join(map(str, sys.version_info[:2]))
    print("error: this is Python %s (%s); 3.11 to 3.13 are needed" % (version, sys.executable), file=sys.stderr)  # noqa: UP031
    raise SystemExit(13)

from harness.isolation import import_guard

import_guard.leave_working_directory()
sentence = import_guard.stranger()
if sentence is not None:
    print(f"error: {sentence}", file=sys.stderr)
    raise SystemExit(2)

from ptycho.errors import exit_on_error  # noqa: E402 - only after a stranger of that name was refused

with exit_on_error():
    from harness.cli.main import main

    raise SystemExit(main())
