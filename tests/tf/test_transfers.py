"""
Device cleanliness without a GPU: epoch, evaluation, prediction and assembly on the second of two logical CPUs.

Soft placement is off and every placement is logged, so that an operation on the other device, and whatever the host
hands over in a step, is seen. One process tries everything, since TensorFlow takes its devices once.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from ptycho_tf.transfers import Placement, read
from tests.support.pipeline import ROOT

CHILD = """
import importlib, json, sys
from itertools import repeat
import numpy as np
sys.path[:0] = ["."]
from ptycho.config import RuntimeConfig
from ptycho_tf import loss, runtime
from ptycho_tf.runtime import tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
tf.config.set_soft_device_placement(False)
runtime.configure(RuntimeConfig(device="cpu", threads=1))
tf.debugging.set_log_device_placement(True)
from dataclasses import replace
from tests.support.small_problem import FOUR, ONE, make_batch
from tests.support.suites.engine_suite import new_engine

class Plain:
    def module(self, name):
        return importlib.import_module(f"ptycho_tf.{name}")

fetched = 0
tensor = type(tf.constant(0.0))
real_numpy = tensor.numpy

def counted(self):
    global fetched
    fetched += 1
    return real_numpy(self)

tensor.numpy = counted
waits = {}

def say(text):
    print(text, file=sys.stderr, flush=True)

def batch(model, masked=False):
    made = make_batch(model, 2)
    return replace(made, good=np.ones(made.diffraction.shape, bool), good_share=1.0) if masked else made

def attempt(name, model, run, masked=False):
    say(f"BEGIN {name} warm-up")
    run([batch(model, masked)])
    seen = []
    def source():
        for _ in range(3):
            seen.append(fetched)
            say(f"BEGIN {name} step")
            yield batch(model, masked)
        say(f"BEGIN {name} end")
    run(source())
    waits[name] = [after - before for before, after in zip(seen, seen[1:])]

def trained(engine):
    return lambda batches: engine.train_epoch(batches, repeat(1e-3))

def planted(engine, after):
    real = engine._train
    def step(*given):
        made = real(*given)
        after(made)
        return made
    engine._train = step
    return trained(engine)

with tf.device("/CPU:1"):
    for name, model in (("one", ONE), ("four", FOUR)):
        engine = new_engine(Plain(), model, "f32")
        attempt(f"train {name}", model, trained(engine))
        attempt(f"evaluate {name}", model, engine.evaluate)
        attempt(f"predict {name}", model, lambda batches: list(engine.predict(batches)))
    attempt("train masked", FOUR, trained(engine), masked=True)
    given = make_batch(FOUR, 2)
    patches = np.ones(given.diffraction.shape, np.complex64)
    engine.consistent_patches(patches, given.coords_relative)
    say("BEGIN assemble step")
    engine.consistent_patches(patches, given.coords_relative)
    say("BEGIN assemble end")
    mask = np.ones((64, 64))
    new = lambda: new_engine(Plain(), ONE, "f32")
    attempt("plant mask", ONE, planted(new(), lambda made: tf.constant(mask)))
    attempt("plant item", ONE, planted(new(), lambda made: float(made[0].numpy())))
    def elsewhere(made):
        with tf.device("/CPU:0"):
            tf.identity(made[0])
    attempt("plant copy", ONE, planted(new(), elsewhere))
    real = loss.poisson_nll
    def on_host(*given):
        with tf.device("/CPU:0"):
            half = tf.reduce_mean(tf.constant(np.full((64, 64), 0.5)))
        return real(*given) * half
    loss.poisson_nll = on_host
    attempt("plant constant", ONE, trained(new()))
print(json.dumps(waits))
"""


@pytest.fixture(scope="module")
def seen() -> tuple[dict[str, list[Placement]], dict[str, list[int]]]:
    """What each block placed, by name and in its order, and how often the host fetched a value between two steps."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    blocks: dict[str, list[list[str]]] = {}
    lines: list[str] = []
    for line in done.stderr.splitlines():
        if line.startswith("BEGIN "):
            lines = []
            blocks.setdefault(line.removeprefix("BEGIN "), []).append(lines)
        lines.append(line)
    found = {name: [read(part, "CPU:1") for part in parts] for name, parts in blocks.items()}
    return found, json.loads(done.stdout.splitlines()[-1])  # placements of graphs are printed, too


CLEAN = {
    **{f"{what} {model}": 2 for what in ("train", "evaluate", "predict") for model in ("one", "four")},
    "train masked": 3,
}
"""Arrays of a step that come from the host: diffraction, coordinates, bad pixels; numbers are constants that stay."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CLEAN)
def test_a_step_takes_its_batch_and_nothing_else(name: str, seen: Any) -> None:
    placed, waits = seen
    steps = placed[f"{name} step"]
    assert ([CLEAN[name]] * 3, [1] * 3) == ([step.constants for step in steps], [step.calls for step in steps])
    elsewhere = [
        text for part in (*placed[f"{name} warm-up"], *steps, *placed[f"{name} end"]) for text in part.elsewhere
    ]
    assert elsewhere == []
    # A prediction is fetched, which is its purpose; losses are fetched at the end of an epoch.
    assert waits[name] == ([1, 1] if name.startswith("predict") else [0, 0])


@pytest.mark.slow
def test_the_assembly_takes_patches_and_coordinates(seen: Any) -> None:
    (placed,) = seen[0]["assemble step"]
    assert (placed.constants, placed.calls, placed.elsewhere) == (2, 1, [])


@pytest.mark.slow
def test_what_leaves_the_device_is_seen(seen: Any) -> None:
    placed, waits = seen
    assert [3] * 3 == [step.constants for step in placed["plant mask step"]], "a mask that is copied in every step"
    assert [1] * 2 == waits["plant item"], "a value that is fetched in every step"
    copies = [step.elsewhere for step in placed["plant copy step"]]
    assert all(any("Identity on CPU:0" in text for text in step) for step in copies), copies
    constants = [text for part in placed["plant constant warm-up"] for text in part.elsewhere]
    assert any("(Const) on CPU:0" in text for text in constants), constants


def test_a_log_is_summed_up_by_device() -> None:
    place = "/job:localhost/replica:0/task:0/device:"
    lines = [
        f"I0000 1 execute.cc:1775] Executing op _EagerConst in device {place}CPU:1",
        f"I0000 1 execute.cc:1775] Executing op __inference__train_step_1 in device {place}CPU:1",
        f"I0000 1 placer.cc:162] Const: (Const): {place}CPU:0",
        f"I0000 1 placer.cc:162] dims: (_DeviceArg): {place}CPU:0",
        "something else",
    ]
    assert read(lines, "CPU:1") == Placement(constants=1, calls=1, elsewhere=["Const (Const) on CPU:0"])
