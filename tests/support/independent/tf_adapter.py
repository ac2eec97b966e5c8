"""The same network in TensorFlow, channels last and by a tape, written for itself: nothing is shared with the other."""

import math

import numpy as np
from ptycho_adapter_kit import LOUD, serve

TINY = {"f64": 1e-12, "f32": 1e-8}
BETA1, BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8
PHOTONS = "log_intensity_scale"


class Network:
    def __init__(self, request):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(request.threads)
        self.tf, self.request = tf, request
        self.real = tf.float64 if request.precision == "f64" else tf.float32
        self.complex = tf.complex128 if request.precision == "f64" else tf.complex64
        self.n, self.g = request.model["side"], request.model["gridsize"]
        self.scale = math.sqrt(request.nphotons) * 2 / self.n
        self.variables = {name: tf.Variable(value, dtype=self.real) for name, value in request.weights.items()}
        self.probe = tf.Variable(request.probe, dtype=self.complex)
        quarter = self.n // 4
        middle = np.zeros((self.n, self.n))
        middle[quarter : 3 * quarter, quarter : 3 * quarter] = 1
        self.middle = tf.constant(middle, dtype=self.real)

    def conv(self, image, name):
        kernel = self.tf.transpose(self.variables[f"{name}.weight"], (2, 3, 1, 0))
        return self.tf.nn.conv2d(image, kernel, strides=1, padding="SAME") + self.variables[f"{name}.bias"]

    def doubled(self, image):
        return self.tf.repeat(self.tf.repeat(image, 2, axis=1), 2, axis=2)

    def stage(self, image, name):
        """One layer on `(B, H, W, channels)`."""
        words = name.split(".")
        if words[0] in ("amplitude", "phase") and words[1] != "0":
            image = self.doubled(image)
        if words[1] in ("inner", "outer"):
            return self.conv(image, name)
        return self.tf.nn.relu(self.conv(self.tf.nn.relu(self.conv(image, f"{name}.0")), f"{name}.1"))

    def first_axis(self, image):
        return self.tf.transpose(image, (0, 3, 1, 2))

    def last_axis(self, image):
        return self.tf.transpose(image, (0, 2, 3, 1))

    def noted(self, image, name, notes):
        notes[f"{name}.in"] = self.first_axis(image)
        image = self.stage(image, name)
        notes[f"{name}.out"] = self.first_axis(image)
        return image

    def objects(self, frames, notes):
        image = self.last_axis(frames) * (self.scale * self.tf.exp(-self.variables[PHOTONS]))
        for level in range(self.depth("encoder")):
            image = self.tf.nn.max_pool2d(self.noted(image, f"encoder.{level}", notes), 2, 2, "VALID")
        notes["code"] = self.first_axis(image)
        amplitude = self.decode(image, "amplitude", self.tf.sigmoid, notes)
        phase = self.decode(image, "phase", lambda value: math.pi * self.tf.tanh(value), notes)
        notes["amplitude"], notes["phase"] = amplitude, phase
        return self.tf.complex(amplitude * self.tf.cos(phase), amplitude * self.tf.sin(phase))

    def depth(self, head):
        level = 0
        while f"{head}.{level}.0.weight" in self.variables:
            level += 1
        return level

    def decode(self, image, head, activation, notes):
        for level in range(self.depth(head)):
            image = self.noted(image, f"{head}.{level}", notes)
        has_rim = f"{head}.outer.weight" in self.variables
        inner = activation(self.stage(image[..., :-4] if has_rim else image, f"{head}.inner"))
        quarter = self.n // 4
        inner = self.tf.pad(inner, ((0, 0), (quarter, quarter), (quarter, quarter), (0, 0)))
        if has_rim:
            rim = self.stage(self.noted(image[..., -4:], f"{head}.border.0", notes), f"{head}.outer")
            inner = inner + self.tf.nn.silu(rim) * (1 - self.middle[..., None])
        return self.first_axis(inner)

    def interpolation(self, wide, narrow, shift):
        """`(B, C, wide, narrow)`: how much of each pixel of a line arrives at each pixel of another, moved."""
        tf = self.tf
        arrives = tf.range(narrow, dtype=self.real) + (wide - narrow) / 2 + shift[..., None]
        weight = 1 - tf.abs(tf.range(wide, dtype=self.real)[:, None] - arrives[..., None, :])
        return tf.maximum(weight, 0)

    def shifted(self, images, size, x, y):
        tf, narrow = self.tf, images.shape[-1]
        down, right = (tf.cast(self.interpolation(size, narrow, s), images.dtype) for s in (y, x))
        return tf.einsum(
            "bcij,bcjk,bclk->bcil", down, tf.broadcast_to(images, (*down.shape[:2], narrow, narrow)), right
        )

    def agreed(self, patches, relative, notes):
        if self.g == 1:
            return patches
        tf, size = self.tf, self.n + (self.g - 1) * 4 + 10
        x, y = relative[:, 0, 0], relative[:, 0, 1]
        weight = tf.broadcast_to(self.middle, patches.shape)
        above = tf.reduce_sum(self.shifted(patches * tf.cast(self.middle, self.complex), size, -x, -y), 1)
        below = tf.reduce_sum(self.shifted(weight, size, -x, -y), 1) + 0.001
        notes["canvas"] = above / tf.cast(below, self.complex)
        return self.shifted(notes["canvas"][:, None], self.n, x, y)

    def measured(self, objects, notes):
        tf = self.tf
        notes["exit_wave"] = objects[:, :, None] * self.probe
        wave = tf.signal.fftshift(tf.signal.fft2d(notes["exit_wave"]), axes=(-2, -1))
        notes["intensity"] = tf.reduce_sum(tf.math.real(wave) ** 2 + tf.math.imag(wave) ** 2, 2) / self.n**2
        return notes["intensity"]

    def everything(self, batch):
        notes, tf = {}, self.tf
        frames = tf.constant(batch["diffraction"], dtype=self.real)
        relative = tf.constant(batch["coords_relative"], dtype=self.real)
        notes["patches"] = self.objects(frames, notes)
        notes["consistent"] = self.agreed(notes["patches"], relative, notes)
        self.measured(notes["consistent"], notes)
        return notes, frames, relative

    def objective(self, batch, mae_weight=0.0, tv_weight=0.0):
        tf = self.tf
        notes, frames, _ = self.everything(batch)
        photons = tf.exp(2 * self.variables[PHOTONS]) * notes["intensity"]
        counted = tf.square(frames * self.scale)
        least = TINY[self.request.precision]
        surprise = photons - counted * tf.math.log(tf.maximum(photons, least))
        zero = tf.zeros((), self.real)
        parts = {"nll": tf.reduce_mean(surprise), "mae": zero, "variation": zero}
        if mae_weight:
            parts["mae"] = tf.reduce_mean(tf.abs(tf.sqrt(photons + 1e-12) / self.scale - frames))
        if tv_weight:
            seen = notes["consistent"]
            for step in (seen[..., 1:] - seen[..., :-1], seen[..., 1:, :] - seen[..., :-1, :]):
                length = tf.sqrt(tf.math.real(step) ** 2 + tf.math.imag(step) ** 2 + 1e-12)
                parts["variation"] += tf.reduce_mean(length)
        parts["total"] = parts["nll"] + mae_weight * parts["mae"] + tv_weight * parts["variation"]
        best = counted - counted * tf.math.log(tf.maximum(counted, least))
        parts["deviance"] = 2 * tf.reduce_mean(surprise - best)
        return parts, notes

    def slopes(self, batch, **options):
        with self.tf.GradientTape() as tape:
            parts, notes = self.objective(batch, **options)
        asked = {**self.variables, "probe": self.probe, "object": notes["consistent"]}
        return dict(zip(asked, tape.gradient(parts["total"], list(asked.values())), strict=True)), parts


def arrays(tensors):
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def layers(net):
    for name, x in net.request.inputs.items():
        for key, given in ((name, x), (f"{name}.loud", LOUD * x)):
            if key == name or net.request.precision == "f64":
                image = net.last_axis(net.tf.constant(given, dtype=net.real))
                yield key, net.first_axis(net.stage(image, name)).numpy()


def forward(net):
    notes, _, relative = net.everything(net.request.first)
    notes["agreed"] = net.agreed(notes["patches"], relative, {})
    for number, batch in enumerate(net.request.uneven):
        notes[f"predicted.{number}"] = net.everything(batch)[0]["consistent"]
    return arrays(notes)


def losses(net):
    request = net.request
    options = {"mae_weight": request.mae_weight, "tv_weight": request.tv_weight}
    for label, given in (("plain", {}), ("weighted", options)):
        yield from (
            (f"{label}.{name}", value.numpy()) for name, value in net.objective(request.first, **given)[0].items()
        )
    parts = [arrays(net.objective(batch)[0]) for batch in request.uneven]
    groups = [len(batch["diffraction"]) for batch in request.uneven]
    for name in ("total", "deviance"):
        values = np.array([part[name] for part in parts])
        yield f"evaluated.{name}", values
        yield f"evaluated.mean_{name}", np.asarray(np.average(values, weights=groups).astype(values.dtype))


def gradients(net):
    request = net.request
    yield from arrays(net.slopes(request.first)[0]).items()
    weighted, _ = net.slopes(request.first, mae_weight=request.mae_weight, tv_weight=request.tv_weight)
    yield from ((f"weighted.{name}", weighted[name].numpy()) for name in net.variables)


class Adam:
    """Algorithm 1 of the paper: Keras moves the epsilon to the other side of the correction."""

    def __init__(self, net, variables):
        self.tf, self.variables, self.steps = net.tf, variables, 0
        self.m = {name: net.tf.Variable(net.tf.zeros_like(value)) for name, value in variables.items()}
        self.v = {name: net.tf.Variable(net.tf.zeros_like(value)) for name, value in variables.items()}

    def step(self, slopes, rate):
        self.steps += 1
        for name, variable in self.variables.items():
            self.m[name].assign(BETA1 * self.m[name] + (1 - BETA1) * slopes[name])
            self.v[name].assign(BETA2 * self.v[name] + (1 - BETA2) * slopes[name] ** 2)
            mean = self.m[name] / (1 - BETA1**self.steps)
            spread = self.tf.sqrt(self.v[name] / (1 - BETA2**self.steps))
            variable.assign_sub(rate * mean / (spread + ADAM_EPSILON))


def replayed(net):
    request, tf = net.request, net.tf
    adam = Adam(net, {name: tf.Variable(tf.zeros(g.shape, net.real)) for name, g in request.replay[0].items()})
    for step, recorded in enumerate(request.replay, start=1):
        slopes = {name: tf.constant(value, dtype=net.real) for name, value in recorded.items()}
        adam.step(slopes, request.learning_rates[step - 1])
        for name in recorded:
            yield f"{step}.{name}", adam.variables[name].numpy()
            yield f"{step}.adam.m/{name}", adam.m[name].numpy()
            yield f"{step}.adam.v/{name}", adam.v[name].numpy()
        yield f"{step}.adam.step", np.array(adam.steps, dtype=np.int64)


def trained(net):
    request, start, totals = net.request, arrays(net.variables), []
    adam = Adam(net, net.variables)
    for step, batch in enumerate(request.walk(max(request.steps)), start=1):
        slopes, parts = net.slopes(batch)
        adam.step(slopes, request.learning_rates[step - 1])
        totals.append(float(parts["total"]))
        if step in request.steps:
            change = {name: value - start[name] for name, value in arrays(net.variables).items()}
            yield from ((f"{step}.{name}", value) for name, value in change.items())
            yield f"{step}.weights", np.concatenate([np.ravel(change[name]) for name in sorted(change)])
    yield "losses", np.array(totals)


RUNGS = {"R3": layers, "R4": forward, "R5": losses, "R6": gradients, "R7": replayed, "R8": trained}


def bench(request):
    net = Network(request)
    return {rung: lambda answer=answer: answer(net) for rung, answer in RUNGS.items()}


if __name__ == "__main__":
    serve(bench, backend="mine", sources=["mine"])
