import math

import numpy as np
import pytest
import torch
from torch import nn

from avsc.training.strategies import schedules
from avsc.training.strategies.alignment import InfoNCE
from avsc.training.strategies.augmentation import mix, mixup, modality_dropout
from avsc.training.strategies.balance import modulate, ogm_coefficients, unimodal_loss
from avsc.training.strategies.calibration import fit_temperature


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def ones(rows):
    return {
        "audio": torch.ones(rows, 3, 2),
        "video": torch.ones(rows, 4),
        "events": torch.ones(rows, 5),
    }


# modality dropout


def test_a_dropped_stream_is_zero_as_a_whole_and_the_other_stays(generator):
    x = modality_dropout(ones(2000), p=0.5, q=0.25, generator=generator)
    audio, video = x["audio"].flatten(1), x["video"]
    assert torch.equal(audio.amin(1), audio.amax(1))
    assert torch.equal(video.amin(1), video.amax(1))
    assert (audio[:, 0] + video[:, 0]).min() == 1  # never both
    assert torch.equal(x["events"], torch.ones(2000, 5))
    # binomial: .125 and .375 of 2000 rows, standard deviations 14.8 and 21.7
    assert (audio[:, 0] == 0).sum().item() == pytest.approx(250, abs=75)
    assert (video[:, 0] == 0).sum().item() == pytest.approx(750, abs=108)


@pytest.mark.parametrize(
    ("p", "q", "audio", "video"), [(0.0, 1.0, 1, 1), (1.0, 1.0, 0, 1), (1.0, 0.0, 1, 0)]
)
def test_probabilities_of_0_and_1_are_certain(p, q, audio, video, generator):
    x = modality_dropout(ones(50), p=p, q=q, generator=generator)
    assert (x["audio"] == audio).all()
    assert (x["video"] == video).all()


def test_dropping_leaves_the_batch_that_was_given_alone(generator):
    x = ones(50)
    modality_dropout(x, p=1.0, q=0.5, generator=generator)
    assert all((rows == 1).all() for rows in x.values())


def test_modality_dropout_refuses_what_it_cannot_drop(generator):
    with pytest.raises(ValueError, match=r"p 1\.5 and q 0\.5, expected both in \[0, 1\]"):
        modality_dropout(ones(2), p=1.5, q=0.5, generator=generator)
    with pytest.raises(ValueError, match=r"needs audio and video, but the batch has \['audio'\]"):
        modality_dropout({"audio": torch.ones(2, 3)}, p=0.5, q=0.5, generator=generator)


# mixup


def test_mixing_weighs_a_row_and_its_partner():
    x = {"audio": torch.tensor([[0.0, 4.0], [8.0, 0.0]]), "video": torch.tensor([[[1.0]], [[3.0]]])}
    mixed, targets = mix(
        x, torch.eye(2), partner=torch.tensor([1, 0]), weight=torch.tensor([0.75, 0.5])
    )
    torch.testing.assert_close(mixed["audio"], torch.tensor([[2.0, 3.0], [4.0, 2.0]]))
    torch.testing.assert_close(mixed["video"], torch.tensor([[[1.5]], [[2.0]]]))
    torch.testing.assert_close(targets, torch.tensor([[0.75, 0.25], [0.5, 0.5]]))


def test_both_modalities_and_the_targets_share_partner_and_weight(generator):
    rows = torch.randn(40, 3)
    x = {"audio": rows[:, None, :].expand(-1, 5, -1), "video": 2 * rows}
    mixed, targets = mixup(x, rows, alpha=0.4, generator=generator)
    torch.testing.assert_close(mixed["audio"][:, 4], targets)
    torch.testing.assert_close(mixed["video"], 2 * targets)
    assert not torch.allclose(targets, rows)


def test_mixup_draws_its_weights_from_a_symmetric_beta(generator):
    x = {"audio": torch.ones(4000, 1)}
    x["audio"][::2] = 0
    _, targets = mixup(x, x["audio"], alpha=2.0, generator=generator)
    weight = targets[(targets > 0) & (targets < 1)]  # pairs of a 0 and a 1
    # Beta(2, 2): mean 1/2, variance 1/20; of some 2000 pairs
    assert weight.mean().item() == pytest.approx(0.5, abs=0.02)
    assert weight.var().item() == pytest.approx(0.05, abs=0.005)


def test_mixup_refuses_an_alpha_that_is_no_beta(generator):
    with pytest.raises(ValueError, match=r"alpha 0\.0, expected more than 0"):
        mixup(ones(2), torch.eye(2), alpha=0.0, generator=generator)


def test_the_same_generator_mixes_and_drops_the_same():
    def once():
        generator = torch.Generator().manual_seed(7)
        x = {m: torch.arange(30.0)[:, None] for m in ("audio", "video")}
        mixed, _ = mixup(x, torch.eye(30), alpha=0.4, generator=generator)
        return modality_dropout(mixed, p=0.5, q=0.5, generator=generator)

    assert all(torch.equal(a, b) for a, b in zip(once().values(), once().values(), strict=True))


# losses of each branch and gradient modulation

LN3 = math.log(3)
TARGETS = torch.tensor([0, 1])
# audio gives the true scene 3/4 twice, video 1/2 and 1/4
OPINIONS = {"audio": torch.tensor([[LN3, 0], [0, LN3]]), "video": torch.tensor([[0, 0], [LN3, 0]])}


def test_the_unimodal_loss_adds_up_the_branches():
    # -(ln 3/4 + ln 3/4) / 2 and -(ln 1/2 + ln 1/4) / 2
    by_hand = math.log(4 / 3) + 1.5 * math.log(2)
    loss = unimodal_loss(OPINIONS, TARGETS, nn.CrossEntropyLoss())
    assert loss.item() == pytest.approx(by_hand)


def test_the_modality_that_leads_is_slowed_down():
    # scores 1.5 and .75, so rho is 2 and .5
    k = ogm_coefficients(OPINIONS, TARGETS, alpha=0.1)
    assert k == pytest.approx({"audio": 1 - math.tanh(0.2), "video": 1.0})
    assert k["audio"] == pytest.approx(0.8026246797750960)


def test_the_order_of_modalities_does_not_choose_who_leads():
    swapped = {"video": OPINIONS["audio"], "audio": OPINIONS["video"]}
    k = ogm_coefficients(swapped, TARGETS, alpha=0.5)
    assert k == pytest.approx({"video": 1 - math.tanh(1.0), "audio": 1.0})


def test_modalities_of_equal_score_and_an_alpha_of_0_change_nothing():
    equal = dict.fromkeys(("audio", "video"), OPINIONS["audio"])
    assert ogm_coefficients(equal, TARGETS, alpha=0.5) == {"audio": 1.0, "video": 1.0}
    assert ogm_coefficients(OPINIONS, TARGETS, alpha=0.0) == {"audio": 1.0, "video": 1.0}


def test_scores_take_distributions_over_scenes():
    one_hot = ogm_coefficients(OPINIONS, torch.eye(2), alpha=0.1)
    assert one_hot == pytest.approx(ogm_coefficients(OPINIONS, TARGETS, alpha=0.1))


def test_a_modality_that_is_surely_wrong_stops_the_other():
    lost = {"audio": OPINIONS["audio"], "video": torch.tensor([[0.0, 2000.0], [2000.0, 0.0]])}
    assert ogm_coefficients(lost, TARGETS, alpha=0.1) == {"audio": 0.0, "video": 1.0}


def test_gradient_modulation_refuses_one_modality():
    with pytest.raises(ValueError, match=r"compares two modalities, but got \['audio'\]"):
        ogm_coefficients({"audio": OPINIONS["audio"]}, TARGETS, alpha=0.1)


def branch(gradient):
    layer = nn.Linear(len(gradient), 1, bias=False)
    layer.weight.grad = torch.tensor([gradient])
    return layer


def test_gradients_are_multiplied_by_their_branchs_coefficient():
    branches = {"audio": branch([1.0, -2.0]), "video": branch([3.0, 4.0])}
    modulate(branches, {"audio": 0.5, "video": 1.0}, noise=False)
    assert branches["audio"].weight.grad.tolist() == [[0.5, -1.0]]
    assert branches["video"].weight.grad.tolist() == [[3.0, 4.0]]


def test_the_noise_is_as_wide_as_the_gradient_was_before_it_was_slowed_down(generator):
    before = torch.linspace(-1, 1, 20_001)
    quiet, noisy = (branch(before.tolist()) for _ in range(2))
    modulate({"audio": quiet}, {"audio": 0.25}, noise=False)
    modulate({"audio": noisy}, {"audio": 0.25}, noise=True, generator=generator)
    noise = noisy.weight.grad - quiet.weight.grad
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.03)  # uniform on [-1, 1]


def test_parameters_without_gradient_or_of_one_value_get_no_noise(generator):
    single, rest = branch([2.0]), nn.Linear(2, 2)
    branches = {"audio": single, "video": rest}
    modulate(branches, {"audio": 0.5, "video": 0.5}, noise=True, generator=generator)
    assert single.weight.grad.tolist() == [[1.0]]
    assert rest.weight.grad is None


# InfoNCE


def test_infonce_is_the_cross_entropy_of_matching_both_ways():
    loss = InfoNCE(temperature=0.5)
    audio, video = torch.tensor([[2.0, 0.0], [0.0, 5.0]]), torch.tensor([[3.0, 0.0], [4.0, 4.0]])
    # unit norm: cosines [[1, r], [0, r]] with r = 1/sqrt(2); times 2
    r = math.sqrt(2)
    rows = math.log(1 + math.exp(r - 2)) + math.log(1 + math.exp(-r))
    columns = math.log(1 + math.exp(-2)) + math.log(2)
    assert loss(audio, video).item() == pytest.approx((rows + columns) / 4)
    assert loss(video, audio).item() == pytest.approx((rows + columns) / 4)


def test_the_temperature_begins_at_7_hundredths_and_is_learned():
    loss = InfoNCE()
    assert loss.log_scale.exp().item() == pytest.approx(1 / 0.07)
    loss(torch.eye(2), torch.tensor([[1.0, 1.0], [0.0, 1.0]])).backward()
    assert loss.log_scale.grad.item() != 0


def test_the_scale_stops_at_100_and_can_come_back():
    loss = InfoNCE(temperature=1e-4)
    swapped = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    value = loss(torch.eye(2), swapped)  # the wrong partner is nearer by a cosine of 1
    assert value.item() == pytest.approx(100, rel=1e-4)
    value.backward()
    assert loss.log_scale.grad.item() == pytest.approx(100, rel=1e-4)


def test_views_of_different_widths_are_projected():
    loss = InfoNCE(dims=(3, 5), projection=2)
    loss(torch.randn(4, 3), torch.randn(4, 5)).backward()
    assert [p.shape for p in loss.project.parameters()] == [(2, 3), (2, 5)]
    assert all(p.grad is not None for p in loss.parameters())


# schedules


def rates(name, losses, lr=1e-2, **hparams):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    advance = schedules.create(name, optimizer, **hparams)
    seen = []
    for loss in losses:
        optimizer.step()
        seen.append(optimizer.param_groups[0]["lr"])
        advance(loss)
    return seen


def test_a_constant_rate_stays():
    assert rates("constant", [1.0] * 3) == [1e-2] * 3


def test_the_cosine_falls_and_restarts():
    middle = (1e-2 + 1e-5) / 2
    late = 1e-5 + (1e-2 - 1e-5) * (1 - math.cos(math.pi / 4)) / 2  # three quarters of the way
    seen = rates("cosine_restarts", [1.0] * 10, period=4)
    assert [seen[i] for i in (0, 2, 3, 4, 6, 8)] == pytest.approx(
        [1e-2, middle, late, 1e-2, middle, 1e-2]
    )


def test_each_fall_can_be_longer_than_the_one_before():
    seen = rates("cosine_restarts", [1.0] * 15, period=2, growth=2)
    assert [i for i, rate in enumerate(seen) if rate == 1e-2] == [0, 2, 6, 14]


def test_a_plateau_lowers_the_rate_after_more_than_patience_epochs():
    seen = rates("plateau", [1.0, 0.9, 0.9, 0.95, 0.9, 0.8, 0.7], patience=2, factor=0.1)
    assert seen == pytest.approx([1e-2] * 5 + [1e-3] * 2)


def test_an_unknown_schedule_and_an_unknown_argument_are_refused():
    with pytest.raises(ValueError, match=r"'cosine', expected one of constant, cosine_restarts"):
        rates("cosine", [])
    with pytest.raises(TypeError, match="perod"):
        rates("cosine_restarts", [], perod=4)


# temperature


@pytest.mark.parametrize("gap", [0.5, 2.0, 8.0])
def test_the_temperature_makes_confidence_equal_accuracy(gap):
    # three of four right: sigmoid(gap / T) = 3/4 where T = gap / ln 3
    logits, targets = np.tile([gap, 0.0], (4, 1)), np.array([0, 0, 0, 1])
    assert fit_temperature(logits, targets) == pytest.approx(gap / math.log(3), rel=1e-5)


def test_log_probabilities_have_the_temperature_of_their_logits():
    rng = np.random.default_rng(0)
    logits, targets = 3 * rng.standard_normal((200, 5)), rng.integers(0, 5, 200)
    logits[np.arange(200), targets] += 3
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert fit_temperature(log_probs, targets) == pytest.approx(
        fit_temperature(logits, targets), rel=1e-5
    )


def test_rows_that_are_all_right_or_all_wrong_stop_at_the_ends_of_the_range():
    logits = np.tile([2.0, 0.0], (4, 1))
    assert fit_temperature(logits, np.zeros(4, int)) == 0.05
    assert fit_temperature(logits, np.ones(4, int)) == 20.0


def test_no_rows_and_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="0 rows of logits"):
        fit_temperature(np.zeros((0, 2)), np.zeros(0, int))
    with pytest.raises(ValueError, match=r"1 rows of logits, 1 values not finite"):
        fit_temperature(np.array([[0.0, np.nan]]), np.zeros(1, int))
