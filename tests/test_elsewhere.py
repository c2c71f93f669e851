import pytest
import torch

from tests.elsewhere import a_second_device


def test_tensors_of_both_devices_do_not_meet_but_a_number_may_come_from_here():
    with a_second_device() as device:
        there = torch.ones(2).to(device)
        with pytest.raises(
            RuntimeError, match=r"add.* of both devices; on the CPU is one of \(2,\)"
        ):
            there + torch.ones(2)
        assert (there + torch.tensor(1.0)).tolist() == [2, 2]


def test_a_tensor_from_there_has_to_come_back_before_numpy_sees_it():
    with a_second_device() as device:
        there = torch.ones(2, device=device).mul_(3)
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        assert there.cpu().numpy().tolist() == [3, 3]


@pytest.mark.parametrize(("of", "drawn_on"), [("cpu", "meta"), ("meta", "cpu")])
def test_a_device_draws_with_its_own_generator(of, drawn_on):
    with a_second_device():
        torch.randn(2, generator=torch.Generator(of), device=of)
        with pytest.raises(RuntimeError, match="draws with the generator of another device"):
            torch.randn(2, generator=torch.Generator(of), device=drawn_on)
