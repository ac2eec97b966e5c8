"""
`python -m harness.mutation.judge`: the ladder on answers that lie in files, with the oracle of the code it runs from.

A fault in the core is in the oracle, too, as far as the oracle calls the core. So what judges a changed core runs from
the changed copy, like everything else that a user of such a checkout would run.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.parity import answer, ladder, oracle
from harness.parity.answer import Answer
from harness.parity.asking import PACKAGES
from harness.parity.ladder import Expected
from ptycho import fingerprint
from ptycho.command_line import Parser
from ptycho.errors import exit_on_error
from ptycho.probe import Request


def judge(answers: Mapping[str, Answer], expected: Expected, request: Request) -> dict[str, Any]:
    """
    The ladder's verdict as plain values.

    Returns:
        `at` the lowest rung that fell, None if all stand; `how` `rung` or `refused`; `guilty`; `detail`.
    """
    refused = ladder.refusals(answers)
    if refused:
        reasons = [f"{side}: {reason}" for side, told in refused.items() for reason in told]
        return {"at": request.quantities[0], "how": "refused", "guilty": sorted(refused), "detail": reasons[0]}
    gridsize, precision = request.model.gridsize, request.precision
    climbed = ladder.climb(gridsize, answers, expected, request.quantities, precision=precision)
    failed = ladder.first_failure(climbed)
    if failed is None:
        return {"at": None, "how": "", "guilty": [], "detail": ""}
    reasons = [failed.worst.tensor, *failed.worst.reasons] if failed.worst else ["nothing was compared"]
    return {"at": failed.rung.name, "how": "rung", "guilty": list(failed.guilty), "detail": "; ".join(reasons)}


def expect(request: Request, sides: Sequence[str]) -> Expected:
    """The oracle's answer as far as it concerns some sides."""
    return oracle.expected(request, {side: PACKAGES[side] for side in sides})


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge, and print the verdict as one line of JSON."""
    parser = Parser(prog="python -m harness.mutation.judge", description=__doc__)
    parser.add_argument("--answer", action="append", nargs=3, required=True, metavar=("SIDE", "DIR", "REQUEST"))
    parser.add_argument("--rung", action="append", required=True, metavar="NAME", help="what to judge")
    parser.add_argument("--root", type=Path, default=fingerprint.ROOT, metavar="DIR", help="what the answers come from")
    args = parser.parse_args(arguments)
    with exit_on_error():
        request = replace(Request.load(Path(args.answer[0][2])), quantities=tuple(args.rung))
        answers = {
            side: answer.read(Path(folder), Path(asked), PACKAGES[side], args.root)
            for side, folder, asked in args.answer
        }
        told = judge(answers, expect(request, tuple(answers)), request)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
