import pytest
import torch

from avsc.heads.early import Head


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_it_has_the_parameters_of_the_official_baseline():
    # 512 -> 512: 262656, BatchNorm 1024; -> 128: 65664, 256; -> 64: 8256, 128; -> 10: 650
    assert count(Head({"audio": (512,)}, 10)) == 338_634
    # 1024 -> 512: 524800 in place of 262656
    assert count(Head({"audio": (512,), "video": (512,)}, 10)) == 600_778


def test_audio_stands_before_video():
    head = Head({"video": (1,), "audio": (1,)}, 2, widths=[])
    with torch.no_grad():
        head.classify.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        head.classify.bias.zero_()
    logits = head({"video": torch.tensor([[7.0]]), "audio": torch.tensor([[3.0]])})
    assert logits.tolist() == [[3.0, 7.0]]


@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_frames_are_averaged_first(shape):
    head = Head({"audio": (4, *shape)}, 2).eval()
    frames = torch.randn(5, 4, *shape)
    mean = Head({"audio": (int(torch.Size(shape).numel()),)}, 2).eval()
    mean.load_state_dict(head.state_dict())
    torch.testing.assert_close(head({"audio": frames}), mean({"audio": frames.mean(1).flatten(1)}))
