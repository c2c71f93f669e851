import torch
from torch import nn

from avsc.heads.intermediate import Head

DIMS = {"audio": (512,), "video": (512,)}


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_two_steps_have_the_parameters_of_the_official_baseline():
    head = Head(DIMS, 10)
    assert [count(branch) for branch in head.branch.values()] == [338_634, 338_634]  # as `early`
    assert count(head.joint, head.classify) == (256 * 128 + 128) + (128 * 10 + 10)
    assert count(head) == 711_454


def test_trained_together_it_has_the_parameters_of_the_course_report():
    # of a branch: 512 -> 512: 262656, BatchNorm 1024; -> 128: 65664; then 256 -> 128 -> 10
    assert count(Head(DIMS, 10, two_step=False)) == 2 * 329_344 + 32_896 + 1_290


def test_trained_together_it_is_the_course_reports_network():
    torch.manual_seed(0)
    head = Head({"audio": (6,), "video": (5,)}, 3, two_step=False).eval()
    x = {"audio": torch.randn(4, 6), "video": torch.randn(4, 5)}
    rows = []
    for m in ("audio", "video"):
        first, norm = head.branch[m].first[:2]
        rows.append(head.branch[m].second(norm(first(x[m])).clamp(min=0)))
    joint = head.joint(torch.cat(rows, dim=1)).clamp(min=0)
    torch.testing.assert_close(head(x), head.classify(joint))


def test_two_steps_put_no_non_linearity_between_the_joint_layers():
    torch.manual_seed(0)
    head = Head({"audio": (6,), "video": (5,)}, 3).eval()
    x = {"audio": torch.randn(4, 6), "video": torch.randn(4, 5)}
    hidden = torch.cat([head.branch[m].hidden(x[m]) for m in ("audio", "video")], dim=1)
    weight = head.classify.weight @ head.joint.weight
    bias = head.classify.weight @ head.joint.bias + head.classify.bias
    torch.testing.assert_close(head(x), nn.functional.linear(hidden, weight, bias))


def test_the_phases_train_each_branch_then_the_joint_layers_only():
    head = Head({"audio": (6,), "video": (5,)}, 3)
    phases = head.phases()
    assert [p.name for p in phases] == ["audio", "video", "fusion"]
    assert phases[0].modules == [head.branch["audio"]]
    assert phases[2].modules == [head.joint, head.classify]
    assert [p.name for p in Head({"audio": (6,)}, 3, two_step=False).phases()] == ["fusion"]
