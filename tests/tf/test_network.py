"""The shared network suite with TensorFlow, and the convolution that up-samples by itself."""

import numpy as np

from ptycho.physics.network import convolve, upsample
from tests.support.distances import distance
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.network_suite import NetworkSuite


class TestNetwork(NetworkSuite):
    def test_folded_kernel_equals_convolution_of_the_upsampled_image(self, backend: BackendUnderTest) -> None:
        from ptycho_tf.network import fold_upsampling, from_canonical, spread
        from ptycho_tf.runtime import tf

        rng = np.random.default_rng(0)
        image, kernel = rng.normal(size=(2, 5, 7, 6)), rng.normal(size=(3, 5, 3, 3))
        expected = convolve(upsample(image), kernel, np.zeros(3))
        folded = fold_upsampling(backend.tensor(from_canonical(kernel)))
        low = tf.nn.conv2d(backend.tensor(image.transpose(0, 2, 3, 1)), folded, strides=1, padding="SAME")
        assert distance(backend.array(spread(low)).transpose(0, 3, 1, 2), expected) < 1e-15
