"""PyTorch on two ranks, started by torchrun."""

from collections.abc import Sequence
from typing import ClassVar

from tests.support.pipeline import Pipeline
from tests.support.suites.distributed_suite import DistributedSuite, Done

_BY_RANK = """
import ast, os, sys
vectors = ast.literal_eval(sys.argv[1])
os.execv(sys.executable, [sys.executable, *vectors[int(os.environ["RANK"])]])
"""


class TestDistributed(DistributedSuite):
    backend: ClassVar[str] = "ptycho_torch"

    def launch(self, pipeline: Pipeline, vectors: Sequence[Sequence[object]]) -> list[Done]:
        first = [str(word) for word in vectors[0]]
        pipeline.home.mkdir(exist_ok=True)
        # torchrun keeps logs of its own in TMPDIR by default.
        start: list[object] = ["-m", "torch.distributed.run", "--standalone", "--log-dir", pipeline.home / "torchrun"]
        start += ["--nproc-per-node", len(vectors)]
        if all(list(map(str, vector)) == first for vector in vectors):
            done = pipeline.run(*start, *first)
        else:
            path = pipeline.home / "by_rank.py"
            path.write_text(_BY_RANK)
            done = pipeline.run(*start, path, repr([[str(word) for word in vector] for vector in vectors]))
        return [done] * len(vectors)
