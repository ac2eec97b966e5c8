"""The shared attach suite with models of Keras."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import keras  # type: ignore[import-not-found]
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.support.suites import attach_suite
from tests.support.suites.attach_suite import AttachSuite, kit
from tests.support.suites.backend import BackendUnderTest

__all__ = ["kit"]


@pytest.fixture(scope="module", autouse=True)
def _compiled_again_afterwards(backend: BackendUnderTest) -> Iterator[None]:
    """Undo what the recorder sets: every function eager. The backend goes first: it settles the number of threads."""
    yield
    tf.config.run_functions_eagerly(False)


class Turned(layers.Conv2D):  # type: ignore[misc]
    """A convolution that takes rows of its kernel for columns."""

    def call(self, x: Any) -> Any:
        kernel = tf.transpose(tf.convert_to_tensor(self.kernel), (1, 0, 2, 3))
        return tf.nn.conv2d(x, kernel, 2, "SAME") + tf.convert_to_tensor(self.bias)


class Half(layers.ReLU):  # type: ignore[misc]
    """Goes through float16 on its way."""

    def call(self, x: Any) -> Any:
        return tf.cast(super().call(x), tf.float16)


class Net(keras.Model):  # type: ignore[misc]
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.conv1 = layers.Conv2D(4, 3, padding="same", name="conv1")
        epsilon, momentum = 1e-5 if fault == "epsilon" else 1e-3, 0.1 if fault == "momentum" else 0.9
        self.norm = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name="norm")
        act = Half if fault == "dtype" else layers.ReLU
        self.act = layers.Activation("gelu", name="act") if fault == "activation" else act(name="act")
        self.pool = (layers.AveragePooling2D if fault == "pooling" else layers.MaxPooling2D)(2, name="pool")
        kind = Turned if fault == "layout" else layers.Conv2D
        self.conv2 = kind(4, 3, strides=2, padding="valid" if fault == "padding" else "same", name="conv2")
        self.flat = layers.Flatten(name="flat")
        self.dense = layers.Dense(5, name="dense")
        if fault == "frozen":
            self.conv2.trainable = False

    def call(self, x: Any, training: bool = False) -> Any:
        x, training = self.conv1(x), training and self.fault != "mode"
        x = (
            self.norm(self.act(x), training=training)
            if self.fault == "swapped"
            else self.act(self.norm(x, training=training))
        )
        x = self.conv2(tf.cast(self.pool(x), keras.backend.floatx()))
        gap = 2 - x.shape[1]
        return self.dense(self.flat(tf.pad(x, ((0, 0), (0, gap), (0, gap), (0, 0))) if gap else x))


class TestAttach(AttachSuite):
    weight: ClassVar[str] = "kernel"

    def subject(self, fault: str = "") -> SimpleNamespace:
        def loss(model: Any, x: Any, y: Any) -> Any:
            error = (model(x, training=True) - y) ** 2
            return tf.reduce_sum(error) if fault == "reduction" else tf.reduce_mean(error)

        return SimpleNamespace(
            model=lambda: Net(fault),
            batch=lambda: attach_suite.batch(True),
            loss=loss,
            optimizer=lambda _: keras.optimizers.SGD(0.01 if fault == "rate" else 0.1, momentum=0.9),
        )

    def training(self, fault: str = "") -> SimpleNamespace:
        def train(model: Any) -> None:
            images = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype(np.float32)
            size = 1 if fault == "schedule" else 2
            optimizer = keras.optimizers.SGD(
                keras.optimizers.schedules.ExponentialDecay(0.1, size, 0.5, staircase=True)
            )
            held = [v for v in model.trainable_variables if fault != "unmoved" or "conv2" not in v.path]
            for _ in range(1 if fault == "steps" else 2):
                for rows in (slice(0, 4), slice(1, 5) if fault == "samples" else slice(4, 8)):
                    with tf.GradientTape() as tape:
                        value = tf.reduce_mean(model(images[rows], training=fault != "mode") ** 2)
                        value = value * np.nan if fault == "not-finite" else value
                    gradients = tape.gradient(value, [v.value for v in model.trainable_variables])
                    pairs = list(zip(gradients, model.trainable_variables, strict=True))
                    if fault == "unmoved":
                        pairs = [(g * 1e-30 if "conv2" in v.path else g, v) for g, v in pairs]
                    assert len(held) <= len(pairs)
                    optimizer.apply_gradients(pairs)

        subject = self.subject()
        rates = [0.1, 0.1, 0.05, 0.05]
        return SimpleNamespace(**vars(subject), train=train, SAMPLES=8, EPOCHS=2, STEPS=4, LEARNING_RATES=rates)

    def test_an_activation_inside_a_layer_is_a_call_of_its_own(self, kit: Any, tmp_path: Any) -> None:
        subject = SimpleNamespace(
            model=lambda: keras.Sequential([layers.Conv2D(4, 3, activation="relu", name="conv")]),
            batch=lambda: attach_suite.batch(True),
            loss=lambda model, x, _y: tf.reduce_mean(model(x) ** 2),
        )
        recorded = self.record(kit, tmp_path, subject, precisions=["f32"], draws=0)
        assert [("conv", "conv"), ("conv.activation", "relu")] == [(c.name, c.kind) for c in recorded.calls["f32"]]
        assert recorded.arrays["f32/call/0/out/0"].min() < 0 <= recorded.arrays["f32/call/1/out/0"].min()

    def test_numbers_of_python_are_exact_in_float64(self, kit: Any, tmp_path: Any) -> None:
        class Divided(layers.Layer):  # type: ignore[misc]
            def call(self, x: Any) -> Any:
                return x / tf.cast(8**0.5, x.dtype) + tf.cast(tf.convert_to_tensor(0.1), x.dtype)

        subject = SimpleNamespace(
            model=lambda: Divided(name="divided"),
            batch=lambda: np.ones((2, 3), np.float32),
            loss=lambda model, x: tf.reduce_mean(model(x) ** 2),
        )
        recorded = self.record(kit, tmp_path, subject, draws=0)
        assert recorded.failures == {}
        given = recorded.arrays["f64/call/0/out/0"]
        assert given.dtype == np.float64
        assert np.abs(given - (1 / 8**0.5 + 0.1)).max() < 1e-15

    def test_fit_is_watched(self, kit: Any, tmp_path: Any) -> None:
        def train(model: Any) -> None:
            model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
            x, y = attach_suite.batch(True)
            model.fit(x, y, batch_size=2, epochs=2, shuffle=True, verbose=0)

        subject = SimpleNamespace(**vars(self.subject()), train=train, SAMPLES=4, EPOCHS=2, STEPS=4)
        recorded = self.record(kit, tmp_path, subject, precisions=["f32"], draws=0)
        assert recorded.training is not None
        assert [0.1] * 4 == [round(step["rate"], 6) for step in recorded.training["steps"]]
        assert [2] * 4 == [len(step["samples"]) for step in recorded.training["steps"]]
