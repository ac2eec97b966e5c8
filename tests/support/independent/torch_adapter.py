"""A network in PyTorch as a laboratory writes it: functions over a dictionary of tensors, autograd, torch.optim."""

import math

import numpy as np
from ptycho_adapter_kit import LOUD, serve

EPSILON = {"f64": 1e-12, "f32": 1e-8}
SCALE = "log_intensity_scale"


class Model:
    def __init__(self, request):
        import torch

        torch.set_num_threads(request.threads)
        self.torch, self.request = torch, request
        self.real = torch.float64 if request.precision == "f64" else torch.float32
        self.complex = torch.complex128 if request.precision == "f64" else torch.complex64
        self.side, self.gridsize = request.model["side"], request.model["gridsize"]
        self.photon_scale = math.sqrt(request.nphotons) / (self.side / 2)
        self.weights = {name: torch.tensor(value, dtype=self.real) for name, value in request.weights.items()}
        for weight in self.weights.values():
            weight.requires_grad_(True)
        self.probe = torch.tensor(request.probe, dtype=self.complex, requires_grad=True)

    def convolution(self, name, x):
        padded = self.torch.nn.functional.pad(x, (1, 1, 1, 1))
        return self.torch.nn.functional.conv2d(padded, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def layer(self, name, x):
        head, part = name.split(".")[:2]
        if head != "encoder" and part != "0":
            x = self.torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        if part in ("inner", "outer"):
            return self.convolution(name, x)
        for number in range(2):
            x = self.torch.relu(self.convolution(f"{name}.{number}", x))
        return x

    def network(self, frames, seen):
        def through(name, x):
            seen[f"{name}.in"] = x
            seen[f"{name}.out"] = self.layer(name, x)
            return seen[f"{name}.out"]

        x = frames * (self.photon_scale / self.torch.exp(self.weights[SCALE]))
        for number in range(self.blocks("encoder")):
            x = self.torch.nn.functional.max_pool2d(through(f"encoder.{number}", x), 2)
        seen["code"] = x
        seen["amplitude"] = self.head("amplitude", x, through, self.torch.sigmoid)
        seen["phase"] = self.head("phase", x, through, lambda value: math.pi * self.torch.tanh(value))
        # Not torch.polar: its gradient takes the amplitude for positive, and that of the rim may be negative.
        amplitude, phase = seen["amplitude"], seen["phase"]
        return self.torch.complex(amplitude * self.torch.cos(phase), amplitude * self.torch.sin(phase))

    def blocks(self, head):
        return sum(name.startswith(f"{head}.") and name.endswith(".0.weight") for name in self.weights) - (
            f"{head}.border.0.0.weight" in self.weights
        )

    def head(self, name, x, through, activation):
        for number in range(self.blocks(name)):
            x = through(f"{name}.{number}", x)
        wide = f"{name}.outer.weight" in self.weights
        inner, rim = (x[:, :-4], x[:, -4:]) if wide else (x, None)
        centre = activation(self.layer(f"{name}.inner", inner))
        quarter = self.side // 4
        whole = self.torch.nn.functional.pad(centre, (quarter,) * 4)
        if rim is None:
            return whole
        outside = self.torch.nn.functional.silu(self.layer(f"{name}.outer", through(f"{name}.border.0", rim)))
        window = self.torch.zeros(self.side, self.side, dtype=self.torch.bool)
        window[quarter:-quarter, quarter:-quarter] = True
        return self.torch.where(window, whole, outside)

    def moved(self, images, size, x, y):
        """Bilinear: one matrix an axis, the hat function of the distance to where a pixel comes from."""

        def matrix(shift):
            place = self.torch.arange(size, dtype=self.real)[:, None] - (size - images.shape[-1]) / 2
            gap = place - self.torch.arange(images.shape[-1], dtype=self.real) - shift[..., None, None]
            return self.torch.clamp(1 - gap.abs(), min=0).to(images.dtype)

        return matrix(y) @ images @ matrix(x).transpose(-1, -2)

    def consistent(self, patches, relative, seen):
        if self.gridsize == 1:
            return patches
        size = self.side + 4 * (self.gridsize - 1) + 10
        quarter = self.side // 4
        window = self.torch.zeros(self.side, self.side, dtype=self.real)
        window[quarter:-quarter, quarter:-quarter] = 1
        x, y = relative[:, 0, 0], relative[:, 0, 1]
        total = self.moved(patches * window, size, -x, -y).sum(1)
        count = self.moved(window.expand(*patches.shape), size, -x, -y).sum(1)
        seen["canvas"] = total / (count + 0.001)
        return self.moved(seen["canvas"][:, None], self.side, x, y)

    def forward(self, batch):
        seen = {}
        frames = self.torch.tensor(batch["diffraction"], dtype=self.real)
        relative = self.torch.tensor(batch["coords_relative"], dtype=self.real)
        seen["patches"] = self.network(frames, seen)
        seen["consistent"] = self.consistent(seen["patches"], relative, seen)
        if seen["consistent"].requires_grad:
            seen["consistent"].retain_grad()
        seen["exit_wave"] = seen["consistent"][:, :, None] * self.probe
        spectrum = self.torch.fft.fftshift(self.torch.fft.fft2(seen["exit_wave"], norm="ortho"), dim=(-2, -1))
        seen["intensity"] = (spectrum.real**2 + spectrum.imag**2).sum(2)
        return seen, frames, relative

    def terms(self, batch, mae_weight=0.0, tv_weight=0.0):
        torch, floor = self.torch, EPSILON[self.request.precision]
        seen, frames, _ = self.forward(batch)
        rate = seen["intensity"] * torch.exp(2 * self.weights[SCALE])
        counts = (frames * self.photon_scale) ** 2
        logarithm = torch.log(torch.clamp(rate, min=floor))
        found = {"nll": (rate - counts * logarithm).mean()}
        found["mae"] = found["variation"] = torch.zeros((), dtype=self.real)
        if mae_weight:
            found["mae"] = (torch.sqrt(rate + 1e-12) / self.photon_scale - frames).abs().mean()
        if tv_weight:
            steps = (torch.diff(seen["consistent"], dim=axis) for axis in (-1, -2))
            found["variation"] = sum(torch.sqrt(s.real**2 + s.imag**2 + 1e-12).mean() for s in steps)
        found["total"] = found["nll"] + mae_weight * found["mae"] + tv_weight * found["variation"]
        spread = torch.log(torch.clamp(counts, min=floor)) - logarithm
        found["deviance"] = 2 * (rate - counts + counts * spread).mean()
        return found, seen

    def gradients(self, batch, **options):
        for leaf in (*self.weights.values(), self.probe):
            leaf.grad = None
        found, seen = self.terms(batch, **options)
        found["total"].backward()
        return {**{name: weight.grad for name, weight in self.weights.items()}, "probe": self.probe.grad}, seen


def plain(values):
    return {name: value.detach().resolve_conj().numpy() for name, value in values.items()}


def layers(model):
    loud = {f"{name}.loud": (name, LOUD * x) for name, x in model.request.inputs.items()}
    asked = {name: (name, x) for name, x in model.request.inputs.items()}
    if model.request.precision == "f64":
        asked |= loud
    return plain({key: model.layer(name, model.torch.tensor(x, dtype=model.real)) for key, (name, x) in asked.items()})


def forward(model):
    seen, _, relative = model.forward(model.request.first)
    seen["agreed"] = model.consistent(seen["patches"], relative, {})
    for number, batch in enumerate(model.request.uneven):
        seen[f"predicted.{number}"] = model.forward(batch)[0]["consistent"]
    return plain(seen)


def losses(model):
    request = model.request
    weighted = {"mae_weight": request.mae_weight, "tv_weight": request.tv_weight}
    found = {f"plain.{name}": value for name, value in model.terms(request.first)[0].items()}
    found |= {f"weighted.{name}": value for name, value in model.terms(request.first, **weighted)[0].items()}
    parts = [model.terms(batch)[0] for batch in request.uneven]
    sizes = model.torch.tensor([len(batch["diffraction"]) for batch in request.uneven], dtype=model.real)
    for name in ("total", "deviance"):
        values = model.torch.stack([part[name] for part in parts])
        found |= {f"evaluated.{name}": values, f"evaluated.mean_{name}": (values * sizes).sum() / sizes.sum()}
    return plain(found)


def gradients(model):
    request = model.request
    found, seen = model.gradients(request.first)
    answer = plain({**found, "object": seen["consistent"].grad})
    weighted, _ = model.gradients(request.first, mae_weight=request.mae_weight, tv_weight=request.tv_weight)
    return answer | {f"weighted.{name}": value for name, value in plain(weighted).items() if name != "probe"}


def replayed(model):
    torch, request = model.torch, model.request
    values = {name: torch.zeros(value.shape, dtype=model.real) for name, value in request.replay[0].items()}
    adam = torch.optim.Adam(values.values(), betas=(0.9, 0.999), eps=1e-8)
    for step, recorded in enumerate(request.replay, start=1):
        for name, value in values.items():
            value.grad = torch.tensor(recorded[name], dtype=model.real)
        adam.param_groups[0]["lr"] = request.learning_rates[step - 1]
        adam.step()
        for name, value in values.items():
            yield f"{step}.{name}", value.numpy().copy()
            yield f"{step}.adam.m/{name}", adam.state[value]["exp_avg"].numpy().copy()
            yield f"{step}.adam.v/{name}", adam.state[value]["exp_avg_sq"].numpy().copy()
        yield f"{step}.adam.step", np.array(int(adam.state[value]["step"]), dtype=np.int64)


def trained(model):
    request = model.request
    start = plain({name: weight.clone() for name, weight in model.weights.items()})
    adam = model.torch.optim.Adam(model.weights.values(), betas=(0.9, 0.999), eps=1e-8)
    totals = []
    for step, batch in enumerate(request.walk(max(request.steps)), start=1):
        adam.param_groups[0]["lr"] = request.learning_rates[step - 1]
        adam.zero_grad()
        found, _ = model.terms(batch)
        found["total"].backward()
        adam.step()
        totals.append(found["total"].item())
        if step in request.steps:
            change = {name: value.detach().numpy() - start[name] for name, value in model.weights.items()}
            yield from ((f"{step}.{name}", value) for name, value in change.items())
            yield f"{step}.weights", np.concatenate([np.ravel(change[name]) for name in sorted(change)])
    yield "losses", np.array(totals)


RUNGS = {"R3": layers, "R4": forward, "R5": losses, "R6": gradients, "R7": replayed, "R8": trained}


def bench(request):
    model = Model(request)
    return {rung: lambda answer=answer: answer(model) for rung, answer in RUNGS.items()}


if __name__ == "__main__":
    serve(bench, backend="mine", sources=["mine"])
