import pytest
import torch
from torch import nn

from avsc import heads
from avsc.heads._res_dcnn import Block, ResDCNN
from avsc.heads.joint import TINY, Head

CHANNELS, WIDTHS = (4, 8, 16, 32), (2048, 1024)
FRAMES, TARGETS = 3, torch.tensor([0, 1, 2, 0])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def tiny(mode="joint", *, only=None):
    dims = {m: d for m, d in TINY["dims"].items() if only in (None, m)}
    return heads.create("joint", dims=dims, num_classes=3, mode=mode, **TINY["hparams"])


def batch(rows=4):
    return {m: torch.randn(rows, *shape) for m, shape in TINY["dims"].items()}


def count(module):
    return sum(p.numel() for p in module.parameters())


def full(bins=290, pool=3):
    with torch.device("meta"):
        return ResDCNN((2, bins), channels=CHANNELS, pool=pool, widths=WIDTHS, dropout=0.5)


@pytest.mark.parametrize(
    ("bins", "pool", "lengths", "features"),
    [
        (290, 3, [144, 71, 35, 17], 2828),  # 2*290 + 4*144 + 8*71 + 16*35 + 32*17
        (290, 2, [145, 72, 36, 18], 2888),  # 2*290 + 4*145 + 8*72 + 16*36 + 32*18
        (256, 3, [127, 63, 31, 15], 2500),  # 2*256 + 4*127 + 8*63 + 16*31 + 32*15
        (256, 2, [128, 64, 32, 16], 2560),  # 2*256 + 4*128 + 8*64 + 16*32 + 32*16
    ],
)
def test_the_encoder_flattens_to_the_length_that_the_papers_layers_give(
    bins, pool, lengths, features
):
    encoder = full(bins, pool)
    assert (encoder.lengths, encoder.features) == (lengths, features)
    x = torch.zeros(1, 2, bins, device="meta")
    for block, length in zip(encoder.blocks, lengths, strict=True):
        x = block(x)
        assert x.shape[2] == length
    assert encoder(torch.zeros(2, 2, bins, device="meta")).shape == (2, 1024)


@pytest.mark.parametrize("pool", [2, 3, 4, 5])
@pytest.mark.parametrize("bins", [7, 8, 9, 10, 33, 256, 290])
def test_the_shortcut_is_as_long_as_the_main_path(bins, pool):
    block = Block(2, 4, pool)
    x = torch.zeros(2, 2, bins)
    assert block.shortcut(x).shape == block.main(x).shape


def test_a_block_is_pooled_convolution_plus_strided_convolution():
    block = Block(1, 1, 3).eval()
    with torch.no_grad():
        block.main[0].weight.copy_(torch.tensor([[[1.0, 0.0, -1.0]]]))  # x_i - x_(i+2)
        block.shortcut.weight.copy_(torch.tensor([[[0.0, 1.0, 0.0]]]))  # the middle of three
        block.main[0].bias.zero_()
        block.shortcut.bias.fill_(0.5)
        block.main[1].running_var.sub_(block.main[1].eps)  # so that it divides by 1
    x = torch.tensor([[[6.0, 5.0, 0.0, 5.0, 3.0]]])
    # differences 6, 0, -3; ReLU 6, 0, 0; means of (0, 6, 0) and (0, 0, 0); middles 5, 5, plus .5
    torch.testing.assert_close(block(x), torch.tensor([[[7.5, 5.5]]]))


def test_the_encoder_has_the_parameters_of_the_papers_layers():
    encoder = full()
    # convolution + normalisation + shortcut: 28 + 8 + 28, 104 + 16 + 104, 400 + 32 + 400, ...
    assert [count(b) for b in encoder.blocks] == [64, 224, 832, 3200]
    # 2828*2048 + 2048 + 2*2048, then 2048*1024 + 1024 + 2*1024
    assert [count(part) for part in encoder.linear] == [5_797_888, 2_100_224]


def test_the_scene_classifier_has_the_parameters_of_the_papers_layers():
    with torch.device("meta"):
        head = Head({"audio": (6, 2, 290), "video": (1280,)}, 10)
    assert head.scene.first.weight.shape == (1024, 1024 + 1280)
    # 2304*1024 + 1024 + 2*1024 + 1024*10 + 10
    assert count(head.scene) == 2_372_618


@pytest.mark.parametrize(("modality", "first"), [("audio", (1024, 1024)), ("video", (1024, 1280))])
def test_one_modality_makes_a_system_of_its_own(modality, first):
    shape = {"audio": (6, 2, 290), "video": (1280,)}[modality]
    with torch.device("meta"):
        head = Head({modality: shape}, 10)
    assert head.scene.first.weight.shape == first
    assert hasattr(head, "encode") == (modality == "audio")
    assert head({modality: torch.zeros(2, *shape, device="meta")}).shape == (2, 10)


def test_logits_are_the_log_of_the_mean_frame_probability():
    head, x = tiny().eval(), batch()
    frames = [head({"audio": x["audio"][:, i : i + 1], "video": x["video"]}) for i in range(FRAMES)]
    mean = torch.stack([f.softmax(1) for f in frames]).mean(0)
    torch.testing.assert_close(head(x).exp(), mean)


def test_the_mean_frame_probability_is_finite_where_every_probability_vanishes():
    head, x = tiny().eval(), batch()
    with torch.no_grad():
        head.scene.classify[1].bias.copy_(torch.tensor([0.0, -500.0, -1000.0]))
    assert torch.isfinite(head(x)).all()
    assert head(x)[0, 1].item() == pytest.approx(-500, abs=20)


def test_the_classifier_split_by_modality_equals_the_classifier_of_both_side_by_side():
    head, x = tiny().eval(), batch()
    scene = head.scene
    audio = head.encode(x["audio"].flatten(0, 1)).unflatten(0, (4, FRAMES))
    both = torch.cat([audio, x["video"][:, None].expand(-1, FRAMES, -1)], dim=2).flatten(0, 1)
    logits = scene.classify(scene.norm(scene.first(both)).relu()).unflatten(0, (4, FRAMES))
    torch.testing.assert_close(scene([audio, x["video"][:, None]]), logits)


@pytest.mark.parametrize("targets", [TARGETS, nn.functional.one_hot(TARGETS, 3).float()])
def test_in_training_each_frame_is_an_example(targets):
    head, x = tiny().eval(), batch()
    frames = [head({"audio": x["audio"][:, i : i + 1], "video": x["video"]}) for i in range(FRAMES)]
    by_hand = sum(-f.log_softmax(1)[range(4), TARGETS].mean() for f in frames) / FRAMES
    torch.testing.assert_close(head.loss(x, targets, nn.CrossEntropyLoss()), by_hand)


def gradients(head, phase):
    head.zero_grad()
    head.eval()
    for module in phase.modules:
        module.train()
    head.loss(batch(), TARGETS, nn.CrossEntropyLoss()).backward()
    return {name.split(".")[0] for name, p in head.named_parameters() if p.grad is not None}


def test_joint_training_reaches_encoder_and_classifier_at_once():
    head = tiny("joint")
    (phase,) = head.phases()
    assert gradients(head, phase) == {"encode", "scene"}
    assert all(p.grad is not None for p in head.parameters())


def test_the_pipeline_trains_the_encoder_first_and_freezes_it_then():
    head = tiny("pipeline")
    audio, fusion = head.phases()
    assert gradients(head, audio) == {"encode", "alone"}
    assert gradients(head, fusion) == {"scene"}


def test_each_phase_of_the_pipeline_has_the_parameters_that_its_loss_reaches():
    head = tiny("pipeline")
    for phase in head.phases():
        gradients(head, phase)
        reached = {p for p in head.parameters() if p.grad is not None}
        assert reached == {p for m in phase.modules for p in m.parameters()}


def test_the_pipelines_encoder_is_chosen_by_its_audio_classifier_alone():
    head, x = tiny("pipeline").eval(), batch()
    audio, fusion = head.phases()
    before = audio.forward(x)
    x["video"] = torch.randn_like(x["video"])
    torch.testing.assert_close(audio.forward(x), before)
    torch.testing.assert_close(fusion.forward(x), head(x))


def test_the_pipelines_audio_phase_equals_the_audio_system():
    head, alone = tiny("pipeline").eval(), tiny(only="audio").eval()
    alone.encode.load_state_dict(head.encode.state_dict())
    alone.scene.load_state_dict(head.alone.state_dict())
    x = batch()
    torch.testing.assert_close(head.phases()[0].forward(x), alone({"audio": x["audio"]}))


def test_a_row_alone_equals_the_row_in_a_batch():
    head, x = tiny().eval(), batch()
    alone = head({m: r[1:2] for m, r in x.items()})
    torch.testing.assert_close(alone, head(x)[1:2], rtol=1e-5, atol=1e-6)


def test_embeddings_are_means_over_frames():
    head, x = tiny().eval(), batch()
    still = {**x, "audio": x["audio"][:, :1].expand(-1, FRAMES, -1, -1)}
    one = {**x, "audio": x["audio"][:, :1]}
    assert head.embedding(x).shape == (4, 16)
    torch.testing.assert_close(head.embedding(still), head.embedding(one))
    branches = head.branch_embeddings(still)
    torch.testing.assert_close(branches["audio"], head.encode(x["audio"][:, 0]))
    torch.testing.assert_close(branches["video"], x["video"])


@pytest.mark.parametrize(
    ("dims", "hparams", "message"),
    [
        (
            TINY["dims"],
            {"mode": "both"},
            r"mode is 'both', expected one of joint, pipeline",
        ),
        ({"video": (5,)}, {"mode": "pipeline"}, r"got \['video'\], expected audio and video"),
        ({"events": (5,)}, {}, r"dims are of \['events'\], expected audio, video or both"),
        ({"audio": (768,)}, {}, r"audio are \(768,\), expected \(frame, channel, bin\).*scalogram"),
        ({"audio": (3, 2, 290)}, {"pool": 1}, "pool is 1, expected 2 or more"),
        ({"audio": (3, 2, 10)}, {}, "block 2 of 4 gets 1 of 10 bins, expected 3 or more"),
    ],
)
def test_dimensions_and_modes_that_do_not_fit_are_refused(dims, hparams, message):
    with pytest.raises(ValueError, match=message):
        Head(dims, 3, **hparams)
