"""
The far field on tensors, in the precision of its inputs. `ptycho.physics` is the same in NumPy and is the reference.

The loss works on intensities, so that the square root, whose slope is infinite at zero, stays out of its gradient.
"""

from ptycho_tf.runtime import Tensor, tf


def exit_wave(objects: Tensor, probe: Tensor) -> Tensor:
    """
    ψ = P·O for each incoherent mode.

    Args:
        objects: `(B, C, N, N)` complex object patches.
        probe: `(P, N, N)` complex, same type.

    Returns:
        `(B, C, P, N, N)` complex.
    """
    return objects[:, :, None] * probe


def intensity(objects: Tensor, probe: Tensor) -> Tensor:
    """
    Far-field intensity Σ_p |FFT2(P_p·O)|² / N², DC in the centre: incoherent modes add as intensities.

    Args:
        objects: `(B, C, N, N)` complex object patches.
        probe: `(P, N, N)` complex.

    Returns:
        `(B, C, N, N)` real; its sum is that of |P·O|² (Parseval).
    """
    spectrum = tf.signal.fft2d(exit_wave(objects, probe))
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    # Axes named: by default fftshift turns the batch and the channels over as well.
    return tf.signal.fftshift(tf.reduce_sum(power, axis=2), axes=(-2, -1)) / probe.shape[-1] ** 2


def amplitude(objects: Tensor, probe: Tensor) -> Tensor:
    """√intensity, whose gradient is taken as 0 and not infinite where the intensity is exactly 0; NaN stays NaN."""
    power = intensity(objects, probe)
    dark = tf.equal(power, 0)
    return tf.where(dark, tf.zeros_like(power), tf.sqrt(tf.where(dark, tf.ones_like(power), power)))
