"""
An adapter without a framework: the oracle's own figures, rounded differently by each side, and faults to order.

`write` makes an executable that takes the place of an interpreter: `PATH -m PACKAGE.adapter --request … --out …`. The
fault is a Python expression of `name` and `value`, applied to each array of the side that has it.
"""

import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]


def write(path: Path, *, fault: str = "value", exit_code: int = 0, answer: bool = True) -> Path:
    """Make an interpreter whose adapter has a fault, ends with a code, or gives no answer."""
    call = f"fake_adapter.main(sys.argv, {fault!r}, {answer!r}); raise SystemExit({exit_code})"
    code = f"import sys; sys.path[:0] = {[str(ROOT)]!r}; from tests.support.fakes import fake_adapter; {call}"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return path


def main(argv: list[str], fault: str, wanted: bool) -> None:
    """Answer as `ptycho.parity.serve.serve` does."""
    package = argv[2].removesuffix(".adapter")
    for request_path, out in zip(argv[4::4], argv[6::4], strict=True):
        if wanted:
            _answer(package, Path(request_path), Path(out), fault)


def _answer(package: str, request_path: Path, out: Path, fault: str) -> None:
    from harness.parity.compare.comparison import SINGLE
    from harness.parity.compare.rungs import DOUBLE_IN_SINGLE
    from harness.parity.judge import oracle
    from ptycho import fingerprint
    from ptycho.files import write_text
    from ptycho.parity import request as ladder_request
    from tests.support.fakes import honest_bench

    request = ladder_request.Request.load(request_path)
    rng = np.random.default_rng(len(package))
    arrays = {}
    for name, value in oracle.arrays(request).items():
        unit = 1e-15 if request.precision == "f64" else 3e-8
        rounding = 1 + unit * rng.normal(size=value.shape) if value.dtype.kind in "fc" else 1
        answered = np.asarray(value * rounding)
        if request.precision == "f32" and not name.startswith(DOUBLE_IN_SINGLE):
            answered = answered.astype(SINGLE.get(value.dtype, value.dtype))
        arrays[name] = eval(fault, {"np": np}, {"name": name, "value": answered})
    # Bounds of single operations leave no room for a rounding more than their own.
    for name, value in honest_bench.answers(request).items():
        arrays[name] = eval(fault, {"np": np}, {"name": name, "value": value})
    out.mkdir()
    manifest = {
        "schema": ladder_request.SCHEMA,
        "backend": package,
        "request_sha256": ladder_request.digest(request_path),
        "nonce": request.nonce,
        "commit": fingerprint.commit(),
        "sources_sha256": ladder_request.source_digest(package),
        "precision": request.precision,
        "quantities": list(request.quantities),
        "arrays_sha256": ladder_request.write_arrays(out / ladder_request.ARRAYS, arrays),
        "exact": oracle.exact(request, package),
    }
    write_text(out / ladder_request.MANIFEST, json.dumps(manifest))  # whole or not at all, as a real adapter writes it
