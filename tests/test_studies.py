import pytest

from avsc.studies import cells, published, seeds

BASE = {"audio": "ast", "video": "convnext", "head": "early", "fit": {"lr": 0.1, "epochs": 2}}


def test_a_row_changes_its_own_keys_and_no_other_row():
    study = {
        "base": BASE,
        "rows": {"plain": {}, "audio": {"set": {"video": "none", "fit.lr": 0.2, "hparams.k": 3}}},
    }
    plain, audio = cells(study).values()
    assert plain == BASE
    assert audio == BASE | {"video": "none", "fit": {"lr": 0.2, "epochs": 2}, "hparams": {"k": 3}}


def test_a_grid_has_a_cell_for_each_combination_in_order():
    study = {"base": BASE, "grid": {"hparams.k": [1, 5], "hparams.ceoa": ["lkm", "rkm"]}}
    assert list(cells(study)) == [
        "k=1, ceoa=lkm",
        "k=1, ceoa=rkm",
        "k=5, ceoa=lkm",
        "k=5, ceoa=rkm",
    ]
    assert cells(study)["k=5, ceoa=lkm"]["hparams"] == {"k": 5, "ceoa": "lkm"}


def test_an_axis_may_name_changes_of_several_keys():
    axis = {"late": {"head": "late", "hparams.rule": "average"}, "early": {}}
    late, early = cells({"base": BASE, "grid": {"fusion": axis, "fit.lr": [0.5]}}).values()
    assert late == BASE | {
        "head": "late",
        "hparams": {"rule": "average"},
        "fit": {"lr": 0.5, "epochs": 2},
    }
    assert early == BASE | {"fit": {"lr": 0.5, "epochs": 2}}


def test_a_block_that_one_axis_puts_is_changed_by_the_other_in_each_cell_alone():
    fresh, mixed = {"new": {"fit": {}}}, {"plain": {}, "mixup": {"fit.mixup": 0.2}}
    for grid in ({"a": fresh, "b": mixed}, {"a": fresh, "b": dict(reversed(mixed.items()))}):
        found = {name: cell["fit"] for name, cell in cells({"base": BASE, "grid": grid}).items()}
        assert found == {"new, plain": {}, "new, mixup": {"mixup": 0.2}}


@pytest.mark.parametrize("parts", [{}, {"rows": {}, "grid": {}}])
def test_a_study_without_rows_and_grid_or_with_both_is_refused(parts):
    with pytest.raises(ValueError, match="a study has either rows or a grid"):
        cells({"base": BASE} | parts)


def test_published_scores_stand_at_rows_and_beside_a_grid():
    scores = {"protocol": "segment", "accuracy": 77.0}
    rows = {"base": BASE, "rows": {"plain": {}, "late": {"published": scores}}}
    grid = {"base": BASE, "grid": {"fit.lr": [1, 2]}, "published": {"lr=2": scores}}
    assert published(rows) == {"late": scores}
    assert published(grid) == {"lr=2": scores}
    assert list(cells(grid)) == ["lr=1", "lr=2"]
    with pytest.raises(ValueError, match="published has 'lr=3', which is no cell; expected one of"):
        cells(grid | {"published": {"lr=3": scores}})


@pytest.mark.parametrize("scores", [None, "x", {"acuracy": 77.0}])
def test_published_scores_of_another_kind_are_refused(scores):
    study = {"base": BASE, "grid": {"fit.lr": [1]}, "published": {"lr=1": scores}}
    with pytest.raises(ValueError, match=r"published of 'lr=1' is .*, expected protocol, log_loss"):
        published(study)


@pytest.mark.parametrize("found", [None, [], 1, [1, 1]])
def test_seeds_are_a_list_of_different_numbers(found):
    with pytest.raises(ValueError, match=r"seeds of a study is .*, expected a list of different"):
        seeds({"seeds": found})
