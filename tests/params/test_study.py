import pytest

from avsc.params.fields import Parser
from avsc.params.study import Study, cells, heads, labels, published

BASE = {"inputs": "av", "labels": "none", "head": "early", "fit": {"lr": 0.1, "epochs": 2}}
TREE = {
    "embed": {
        "ast": {"encoder": "ast", "weights": "random"},
        "convnext": {"encoder": "timm_image", "weights": "random", "name": "convnext_atto"},
        "fbank": {"encoder": "fbank", "weights": "none"},
    },
    "import_features": {},
    "bundle": {"av": ["ast", "convnext"], "sounds": ["ast", "fbank"]},
    "train": {"base": BASE},
}
ROWS = {"plain": {}}


def parsed(**block):
    """Return the study and its faults, as (keys, text)."""
    parser = Parser(TREE)
    own = {"base": "base", "head": "early", "inputs": "av", "labels": "none", "seeds": [1]}
    study = parser.parse(Study, own | block, ("study", "it"))
    return study, [(".".join(map(str, f.at[2:])), f.text) for f in parser.faults]


def cells_of(**block):
    study, faults = parsed(**block)
    assert faults == []
    return cells(study, BASE)


def test_a_row_changes_its_own_keys_and_no_other_row():
    rows = ROWS | {"audio": {"set": {"inputs": "ast", "fit": {"lr": 0.2}, "views": []}}}
    plain, audio = cells_of(rows=rows).values()
    assert plain == BASE
    assert audio == BASE | {"inputs": "ast", "fit": {"lr": 0.2, "epochs": 2}, "views": []}


def test_set_changes_every_cell_and_rows_change_it_again():
    rows = ROWS | {"slow": {"set": {"fit": {"lr": 0.01}}}}
    plain, slow = cells_of(set={"fit": {"lr": 0.5, "patience": 3}}, rows=rows).values()
    assert plain["fit"] == {"lr": 0.5, "epochs": 2, "patience": 3}
    assert slow["fit"] == {"lr": 0.01, "epochs": 2, "patience": 3}


def test_another_head_starts_from_its_own_defaults():
    rows = {"late": {"set": {"head": "late"}}, "early": {}}
    late, early = cells_of(set={"hparams": {"dropout": 0.1}}, rows=rows).values()
    assert early["hparams"] == {"dropout": 0.1}
    assert "hparams" not in late


def test_a_grid_has_a_cell_for_each_combination_in_order():
    grid = {"hparams": {"dropout": [0.1, 0.2]}, "fit": {"lr": [1, 2]}}
    found = cells_of(grid=grid)
    assert list(found) == [
        "dropout=0.1, lr=1",
        "dropout=0.1, lr=2",
        "dropout=0.2, lr=1",
        "dropout=0.2, lr=2",
    ]
    cell = found["dropout=0.2, lr=1"]
    assert (cell["hparams"], cell["fit"]) == ({"dropout": 0.2}, {"lr": 1, "epochs": 2})


def test_an_axis_may_name_changes_of_several_keys():
    axis = {"late": {"head": "late", "hparams": {"rule": "average"}}, "early": {}}
    late, early = cells_of(grid={"fusion": axis, "fit": {"lr": [0.5]}}).values()
    fit = {"lr": 0.5, "epochs": 2}
    assert late == BASE | {"head": "late", "hparams": {"rule": "average"}, "fit": fit}
    assert early == BASE | {"fit": fit}


def test_cells_are_called_by_their_labels_and_published_scores_stand_beside_them():
    scores = {"protocol": "segment", "accuracy": 77.0}
    rows = ROWS | {"late": {"label": "late (2021)", "set": {"head": "late"}, "published": scores}}
    study, _ = parsed(rows=rows)
    assert labels(study) == ["plain", "late (2021)"]
    assert heads(study) == ["early", "late"]
    paper = published(study)
    assert list(paper) == ["late (2021)"]
    assert (paper["late (2021)"].accuracy, paper["late (2021)"].log_loss) == (77.0, None)
    grid, _ = parsed(grid={"fit": {"lr": [1, 2]}}, published={"lr=2": scores})
    assert list(published(grid)) == ["lr=2"]


@pytest.mark.parametrize(
    ("block", "key", "text"),
    [
        ({}, "", "has no cells; give rows or grid"),
        ({"rows": ROWS, "grid": {}}, "grid", "has both rows and grid; expected one of them"),
        ({"rows": ROWS, "encoders": []}, "encoders", "no such key any more; write `base: <exper"),
        ({"rows": {"x": {"set": {"fit.lr": 1}}}}, "rows.x.set.fit.lr", "write it as `fit: {lr: "),
        ({"rows": ROWS, "seeds": []}, "seeds", "expected a list of different numbers, got []"),
        ({"rows": ROWS, "seeds": [1, 1]}, "seeds", "expected a list of different numbers"),
        ({"rows": ROWS, "seeds": 1}, "seeds", "expected a list, each a whole number, got 1"),
        ({"rows": {"a b": {}}}, "rows.a b", "DVC cannot carry the name 'a b'"),
        ({"rows": {"x": {"set": {"head": "erly"}}}}, "rows.x.set.head", "did you mean early?"),
        (
            {"rows": {"x": {"set": {"hparams": {"widht": 3}}}}},
            "rows.x.set.hparams.widht",
            "head early takes no widht; did you mean widths?",
        ),
        (
            {"rows": {"x": {"set": {"head": "gated", "inputs": "ast"}}}},
            "rows.x.set.inputs",
            "head gated fuses audio and video, but there is audio alone",
        ),
        (
            {"rows": {"x": {"set": {"fit": {"unimodal": 0.5}}}}},
            "rows.x.set.fit.unimodal",
            "head early has no branch_logits; set it to 0 or take another head",
        ),
        ({"rows": {"x": {"set": {"views": ["audio"]}}}}, "rows.x.set.views.0", "ast has no views"),
        (
            {"rows": {"x": {"set": {"inputs": "fbank"}}}},
            "rows.x",
            "inputs: fbank is no part of av, which the study reads",
        ),
        (
            {"rows": {"x": {"set": {"labels": "pseudo_labels.parquet"}}}},
            "rows.x",
            "labels: pseudo_labels.parquet, but the study has labels: none",
        ),
        ({"rows": ROWS | {"same": {}}}, "rows.same", "is the same experiment as 'plain'"),
        ({"grid": {"fit": {"lr": 0.1}}}, "grid", "fit.lr: expected a list of values, got 0.1"),
        ({"grid": {"fits": [1]}}, "grid", "fits: expected a list of values of a key of an exp"),
        (
            {"grid": {"fit": {"lr": [0.1, "x"]}}},
            "grid",
            "cell 'lr=x': fit.lr: expected a number above 0, got 'x'",
        ),
        (
            {"grid": {"fit": {"lr": [1]}}, "published": {"lr=3": {"protocol": "clip"}}},
            "published.lr=3",
            "no such cell; there are lr=1",
        ),
        (
            {"rows": {"x": {"published": {"protocol": "clip", "acuracy": 77.0}}}},
            "rows.x.published.acuracy",
            "no such key; did you mean accuracy?",
        ),
    ],
)
def test_a_study_whose_cells_cannot_be_trained_is_refused(block, key, text):
    _, faults = parsed(**block)
    assert any(k == key and text in t for k, t in faults), faults
