"""
Ends a program that was started with a Python that is too old, with one sentence, when it is imported.

Entry points import it before anything else: what follows uses syntax and annotations that an old Python stumbles over.
This file and every entry point must be readable to Python 3.8; `noxfile.py` and `python -m harness` ask for themselves.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is asked where it is not so
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"error: this is Python {version} ({sys.executable}); 3.11 to 3.13 are needed", file=sys.stderr)
    raise SystemExit(13)
