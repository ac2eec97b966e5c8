"""TensorFlow on two ranks, each started with its own TF_CONFIG."""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import ClassVar

from tests.support.pipeline import Pipeline
from tests.support.suites.distributed_suite import DistributedSuite, Done, finish


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [int(item.getsockname()[1]) for item in sockets]
    for item in sockets:
        item.close()
    return ports


class TestDistributed(DistributedSuite):
    backend: ClassVar[str] = "ptycho_tf"

    def launch(self, pipeline: Pipeline, vectors: Sequence[Sequence[object]]) -> list[Done]:
        workers = [f"localhost:{port}" for port in free_ports(len(vectors))]
        started = []
        for rank, vector in enumerate(vectors):
            place = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}})
            environment = pipeline.environment() | {"TF_CONFIG": place}
            started.append(
                subprocess.Popen(
                    [sys.executable, *map(str, vector)],
                    cwd=pipeline.places["cwd"],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        return finish(started)
