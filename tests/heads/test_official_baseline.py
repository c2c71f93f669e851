"""The official baseline's weights, in its own names, loaded into `early` and `intermediate`.

Its networks are written here as its code has them (github.com/shanwangshan/
TAU-urban-audio-visual-scenes, train/model.py and train_combine/model_combine.py): one Sequential
called `model`. Its files are {audio,video,audio_video}_model/model.pt, of which audio_video is the
early fusion in train/ and the joint layers in train_combine/.
"""

import pytest
import torch
from torch import nn

from avsc.heads.early import Head as Early
from avsc.heads.intermediate import Head as Intermediate

DIM, SCENES = 512, 10
# layer of the baseline's Sequential -> module of ours
EARLY = {i: f"hidden.{i}" for i in (0, 1, 4, 5, 8, 9)} | {12: "classify"}
BRANCH = {
    0: "first.0",
    1: "first.1",
    4: "second",
    5: "rest.0",
    8: "rest.3.0",
    9: "rest.3.1",
    12: "rest.4",
}
JOINT = {0: "joint", 1: "classify"}


class Dense(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(dim, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Dropout(p=0.2),
            nn.Linear(512, 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Dropout(p=0.2),
            nn.Linear(128, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Dropout(p=0.2),
            nn.Linear(64, SCENES),
        )

    def forward(self, x):
        return self.model(x)


class Combine(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(nn.Linear(256, 128), nn.Linear(128, SCENES))

    def forward(self, x):
        return self.model(x)


def trained(model):
    """Return the model with statistics, scales and shifts that are not 0 and 1."""
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm1d)):
        for values in (norm.running_mean, norm.weight.data, norm.bias.data):
            values.normal_()
        norm.running_var.uniform_(0.5, 2)
    return model.eval()


def renamed(state, names, prefix=""):
    """Return the baseline's state dict in the names of one of our heads."""
    parts = (key.split(".", 2) for key in state)
    return {
        f"{prefix}{names[int(layer)]}.{what}": state[f"{model}.{layer}.{what}"]
        for model, layer, what in parts
    }


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def x():
    return {"audio": torch.randn(7, DIM), "video": torch.randn(7, DIM)}


@pytest.mark.parity
@pytest.mark.parametrize("modalities", [["audio"], ["video"], ["audio", "video"]])
def test_the_baselines_weights_give_its_logits_in_the_early_head(x, modalities):
    official = trained(Dense(DIM * len(modalities)))
    head = Early(dict.fromkeys(modalities, (DIM,)), SCENES).eval()
    head.load_state_dict(renamed(official.state_dict(), EARLY))
    side_by_side = torch.cat([x[m] for m in modalities], dim=1)
    assert torch.equal(head({m: x[m] for m in modalities}), official(side_by_side))


@pytest.mark.parity
def test_the_baselines_weights_give_its_logits_in_the_intermediate_head(x):
    audio, video, combine = trained(Dense(DIM)), trained(Dense(DIM)), Combine().eval()
    head = Intermediate(dict.fromkeys(x, (DIM,)), SCENES).eval()
    head.load_state_dict(
        renamed(audio.state_dict(), BRANCH, "branch.audio.")
        | renamed(video.state_dict(), BRANCH, "branch.video.")
        | renamed(combine.state_dict(), JOINT)
    )
    hidden = [official.model[:5](x[m]) for m, official in (("audio", audio), ("video", video))]
    assert torch.equal(head(x), combine(torch.cat(hidden, dim=1)))
    for phase, official in zip(head.phases(), (audio, video), strict=False):
        torch.testing.assert_close(phase.forward(x), official(x[phase.name]))
