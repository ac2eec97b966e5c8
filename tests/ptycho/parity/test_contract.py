"""The contract as the process has it: what each option changes is what it says, and nothing else."""

from ptycho.parity import contract
from tests.support.golden_step0 import FIXTURE


def test_every_option_changes_one_value() -> None:
    found = contract.responses(FIXTURE, "ptycho_torch")
    assert {1} == {len(changed) for changed in found.values()}
    assert {"learning_rate": 0.25} == found["train.learning_rate"]
    assert len(contract.TRAINING_OPTIONS) + len(contract.OPTIONS) == len(found)


def test_defaults_do_not_hold_what_must_be_given() -> None:
    training = contract.training_defaults(FIXTURE, "ptycho_torch.train")
    inference = contract.inference_defaults(FIXTURE, "ptycho_torch.inference")
    assert not {"train_data_file", "output_dir", "model_path"} & {*training, *inference}
    assert [16, 64] == [training["batch_size"], inference["batch_size"]]


def test_constants_are_plain_values() -> None:
    found = contract.constants()
    assert [74, 78] == found["constant.canvas_side"]
    assert 2_331_773 == found["constant.weights"]
    assert {type(value) for value in found.values()} <= {int, float, list, dict}
