"""
The legacy parameter dictionary that older modules read: `params.cfg`.

New code takes frozen configurations (`ptycho.config`) and never reads this. It stays because other programs import
it; `ptycho.config.update_legacy_dict` is the only thing that writes it (CONFIG-001).
"""

from types import MappingProxyType
from typing import Any

CONFIGURED = "config_digest"
"""Key under which `update_legacy_dict` leaves the digest of the configuration that it wrote."""

DEFAULTS = MappingProxyType[str, Any](
    {
        "N": 64,
        "gridsize": 1,
        "n_groups": None,
        "n_filters_scale": 2,
        "probe.big": True,
        "probe.mask": False,
        "probe_scale": 4.0,
        "intensity_scale.trainable": False,
        "nphotons": None,
        "nepochs": 50,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "schedule": "plateau",
        "warmup_steps": 0,
        "mae_weight": 0.0,
        "tv_weight": 0.0,
        "seed": 42,
        "precision": "f32",
        "device": "auto",
        "threads": 0,
        "num_workers": 0,
        "train_data_file": None,
        "test_data_file": None,
        "output_dir": None,
        "resume": False,
        "stitch": False,
        "layout": None,
        "measurement_domain": None,
        "store_dir": None,
        "mlflow": True,
        "quiet": False,
        "strict": False,
        CONFIGURED: None,
    }
)

cfg: dict[str, Any] = dict(DEFAULTS)
