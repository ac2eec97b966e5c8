"""The shared loader suite with TensorFlow."""

from typing import ClassVar

from tests.support.suites.loader_suite import LoaderSuite


class TestLoader(LoaderSuite):
    loader: ClassVar[str] = "dset_loader_tf_mmap"
