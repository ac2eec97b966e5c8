"""
The old name of `ptycho_adapter_kit`, for one release; that file must lie beside this one.

A copy of the old file in somebody's checkout needs neither: it answers as before.
"""

import importlib.util
import sys
from pathlib import Path

NAME = "ptycho_adapter_kit"

if NAME not in sys.modules:
    spec = importlib.util.spec_from_file_location(NAME, Path(__file__).with_name(f"{NAME}.py"))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])

print(f"warning: ptycho_probe_kit is called {NAME} now; the old name goes with the next release", file=sys.stderr)
# Whoever imports the old name gets the new module, with everything that is in it.
sys.modules[__name__] = sys.modules[NAME]
