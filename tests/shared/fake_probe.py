"""
A probe without a framework: the oracle's own figures, rounded differently by each side, and faults to order.

`write` makes an executable that takes the place of an interpreter: `PATH -m PACKAGE.probe --request … --out …`. The
fault is a Python expression of `name` and `value`, applied to each array of the side that has it.
"""

import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def write(path: Path, *, fault: str = "value", exit_code: int = 0, answer: bool = True) -> Path:
    """Make an interpreter whose probe has a fault, ends with a code, or gives no answer."""
    call = f"fake_probe.main(sys.argv, {fault!r}, {answer!r}); raise SystemExit({exit_code})"
    code = f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'tests' / 'shared')]!r}; import fake_probe; {call}"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return path


def main(argv: list[str], fault: str, wanted: bool) -> None:
    """Answer as `ptycho.probe.serve` does."""
    from harness.parity import oracle
    from ptycho import fingerprint, probe

    package, request_path, out = argv[2].removesuffix(".probe"), Path(argv[4]), Path(argv[6])
    if not wanted:
        return
    request = probe.Request.load(request_path)
    rng = np.random.default_rng(len(package))
    arrays = {}
    for name, value in oracle.arrays(request).items():
        rounding = 1 + 1e-15 * rng.normal(size=value.shape) if value.dtype.kind in "fc" else 1
        arrays[name] = eval(fault, {"np": np}, {"name": name, "value": np.asarray(value * rounding)})
    out.mkdir()
    manifest = {
        "schema": probe.SCHEMA,
        "backend": package,
        "request_sha256": probe.digest(request_path),
        "nonce": request.nonce,
        "commit": fingerprint.commit(),
        "sources_sha256": probe.source_digest(package),
        "precision": request.precision,
        "quantities": list(request.quantities),
        "arrays_sha256": probe.write_arrays(out / probe.ARRAYS, arrays),
        "exact": oracle.exact(request, package),
    }
    (out / probe.MANIFEST).write_text(json.dumps(manifest))
