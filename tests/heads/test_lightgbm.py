import lightgbm
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA

from avsc.heads.lightgbm import Head

DIMS = {"audio": (6,), "video": (4, 3)}
TARGETS = torch.arange(150) % 3
SMALL = {"n_estimators": 5, "num_leaves": 4, "num_threads": 1}


@pytest.fixture(scope="module")
def x():
    noise = torch.Generator().manual_seed(0)
    x = {m: torch.randn(150, *shape, generator=noise) for m, shape in DIMS.items()}
    x["audio"][:, 0] += 3 * TARGETS
    return x


@pytest.fixture(scope="module")
def rows(x):
    """Return the columns that the head sees: audio, then the mean of video's frames."""
    return np.hstack([x["audio"].numpy(), x["video"].mean(dim=1).numpy()])


def solved(x, *, seed=0, **hparams):
    torch.manual_seed(seed)
    head = Head(DIMS, 3, **(SMALL | hparams))
    head.solve(x, TARGETS)
    return head


@pytest.mark.parity
def test_probabilities_are_those_of_lightgbm(x, rows):
    head = solved(x)
    model = lightgbm.LGBMClassifier(
        n_estimators=5,
        num_leaves=4,
        force_col_wise=True,
        deterministic=True,
        verbosity=-1,
        n_jobs=1,
    ).fit(rows, TARGETS.numpy())
    reference = model.booster_.predict(rows)
    np.testing.assert_allclose(head(x).exp().numpy(), reference, rtol=1e-5)
    np.testing.assert_allclose(head(x).softmax(1).numpy(), reference, rtol=1e-5)


@pytest.mark.parity
def test_with_components_it_is_lightgbm_on_those_of_scikit_learn(x, rows):
    head = solved(x, pca=3)
    pca = PCA(3, svd_solver="full").fit(rows)
    assert head.components.shape == (3, 9)
    projected = ((rows - pca.mean_) @ pca.components_.T).astype(np.float32)
    signs = np.sign((pca.components_ * head.components.numpy()).sum(axis=1))
    np.testing.assert_allclose(head._columns(x).numpy(), projected * signs, atol=1e-4)


@pytest.mark.parametrize("pca", [None, 3])
def test_trees_of_another_size_are_loaded_into_a_fresh_head(x, tmp_path, pca):
    head = solved(x, pca=pca)
    save_file(head.state_dict(), tmp_path / "head.safetensors")
    state = load_file(tmp_path / "head.safetensors")
    assert state["trees"].dtype == torch.uint8
    fresh = Head(DIMS, 3, **SMALL, pca=pca)
    fresh.load_state_dict(state)
    assert torch.equal(fresh(x), head(x))


def test_a_solved_head_answers_from_the_trees_loaded_last(x):
    one, two = solved(x), solved(x, n_estimators=9)
    before = one(x)
    one.load_state_dict(two.state_dict())
    assert not torch.equal(one(x), before)
    assert torch.equal(one(x), two(x))


def test_the_trees_are_the_same_of_the_same_seed_and_differ_of_another(x):
    drawn = {"feature_fraction": 0.5}
    first = solved(x, **drawn).trees
    assert torch.equal(solved(x, **drawn).trees, first)
    assert not torch.equal(solved(x, seed=1, **drawn).trees, first)


def test_the_number_of_threads_changes_nothing(x):
    one, two = solved(x, num_threads=1), solved(x, num_threads=2)
    assert torch.equal(one(x), two(x))


def test_a_head_without_trees_says_so(x):
    with pytest.raises(RuntimeError, match="holds no trees; solve it, or load a state dict, first"):
        Head(DIMS, 3)(x)


@pytest.mark.parametrize("pca", [0, 10])
def test_components_that_the_columns_cannot_give_are_refused(pca):
    with pytest.raises(ValueError, match=f"pca is {pca}, expected 1 to 9, the number of columns"):
        Head(DIMS, 3, pca=pca)


def test_more_components_than_rows_are_refused(x):
    few = {m: rows[:4] for m, rows in x.items()}
    with pytest.raises(ValueError, match=r"pca is 5, but there are 4 training rows; lower hparams"):
        Head(DIMS, 3, **SMALL, pca=5).solve(few, torch.tensor([0, 1, 2, 0]))
