"""Bundles: entries in one folder, as links that cost no bytes."""

import errno
import json
import os

import pytest

from avsc.artifacts import bundles, sealed_json
from tests.artifacts import toy_shards


@pytest.fixture
def root(tmp_path):
    """Three entries of one shard each."""
    for name in ("ast", "convnext", "clap"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.h5").write_bytes(name.encode())
        toy_shards.list_again(tmp_path / name)
    return tmp_path


def bundle(root, name, *members):
    bundles.write(root / name, [root / m for m in members])
    return root / name


def test_a_bundle_holds_the_same_files_and_no_copies(root):
    av = bundle(root, "av", "ast", "convnext")
    assert bundles.inside(av) == {"ast": av / "ast", "convnext": av / "convnext"}
    for name in ("ast", "convnext"):
        assert (av / name / "a.h5").samefile(root / name / "a.h5")


def test_an_entry_is_a_bundle_of_itself(root):
    assert bundles.inside(root / "ast") == {"ast": root / "ast"}
    with pytest.raises(ValueError, match=r"ast holds no 'clap'; it holds ast; run `dvc repro`"):
        bundles.inside(root / "ast", "clap")


def test_bundles_nest_and_an_entry_that_comes_twice_is_there_once(root):
    bundle(root, "av", "ast", "convnext")
    bundle(root, "more", "clap", "convnext")
    both = bundle(root, "both", "av", "more")
    assert list(bundles.inside(both)) == ["ast", "convnext", "clap"]
    assert bundles.inside(both, "more") == {"clap": both / "clap", "convnext": both / "convnext"}
    assert bundles.inside(both, "ast") == {"ast": both / "ast"}
    with pytest.raises(ValueError, match="both holds no 'mfcc'; it holds ast, av, both, clap, "):
        bundles.inside(both, "mfcc")


def test_other_files_of_an_entry_come_along(root):
    (root / "ast/disturbances.json").write_text("[]")
    av = bundle(root, "av", "ast", "convnext")
    assert (av / "ast/disturbances.json").read_text() == "[]"


def test_where_files_cannot_be_linked_they_are_copied(root, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    av = bundle(root, "av", "ast", "convnext")
    assert (av / "ast/a.h5").read_bytes() == b"ast"
    assert not (av / "ast/a.h5").samefile(root / "ast/a.h5")
    assert {p.name for p in (av / "ast").iterdir()} == {"a.h5", "shards.json"}


def test_a_full_disk_is_no_reason_to_copy(root, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="No space left"):
        bundle(root, "av", "ast", "convnext")


def test_a_missing_entry_is_named(root):
    with pytest.raises(FileNotFoundError, match=r"mfcc is not there; run `dvc repro`"):
        bundle(root, "av", "ast", "mfcc")
    assert not (root / "av").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"av": 1}', '{"other": ["ast"]}', '{"av": ["../ast"]}', '{"av": [1]}']
)
def test_a_damaged_index_is_refused_by_name(root, text):
    av = bundle(root, "av", "ast", "convnext")
    (av / "bundle.json").write_text(text)
    with pytest.raises(ValueError, match=r"av/bundle\.json is damaged \(.*; run `avsc data check"):
        bundles.inside(av)
    sealed_json.write(av / "bundle.json", {"parts": json.loads(text or "0")})
    with pytest.raises(ValueError, match=r"av/bundle\.json is damaged \(.*; run `avsc data check"):
        bundles.inside(av)
