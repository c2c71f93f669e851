import pytest
import torch

from avsc.artifacts import checkpoints

STATE = {"net/w": torch.arange(6.0).reshape(2, 3), "adam/w/step": torch.tensor(2.0)}
HISTORY = [{"epoch": 0, "val_loss": 0.1 + 0.2}]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "run" / "it.safetensors"
    checkpoints.write(path, STATE, HISTORY, made_of="a")
    return path


def test_what_is_read_is_what_was_written(path):
    state, history = checkpoints.read(path, made_of="a")
    assert history == HISTORY
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[k], STATE[k]) for k in STATE)


def test_there_is_nothing_to_go_on_from_of_another_run_or_before_the_first_epoch(path):
    assert checkpoints.read(path, made_of="b") is None
    assert checkpoints.read(path.with_name("other.safetensors"), made_of="a") is None


def test_a_file_with_a_flipped_bit_is_never_gone_on_from(path):
    whole, refused = path.read_bytes(), []
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            assert checkpoints.read(path, made_of="a") is None  # `made_of` itself
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) == len(whole) - 1
    assert all("it.safetensors is damaged" in message for message in refused)


def test_a_file_that_is_cut_off_is_damaged(path):
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"it.safetensors is damaged .*delete it to train"):
        checkpoints.read(path, made_of="a")


def test_a_checkpoint_takes_the_place_of_the_one_before_it_all_at_once(path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.write(path, STATE, [], made_of="a")
    assert checkpoints.read(path, made_of="a")[1] == HISTORY
