import json

import pytest

from avsc.datasets import sources
from avsc.datasets.sources import SourceError
from tests.datasets.toy_archives import ARCHIVES, md5


def test_the_list_is_that_of_the_published_set():
    source = sources.read(sources.TAU2021, "development")
    sizes = {archive.part: archive.size for archive in source.archives}
    media = {part: size for part, size in sizes.items() if part[:5] in ("audio", "video")}
    assert len(media) == 24
    assert round(sum(media.values()) / 1e9, 1) == 107.6
    assert set(sizes) - set(media) == {"doc", "meta", "examples"}
    assert len({archive.md5 for archive in source.archives}) == 27
    meta = next(a for a in source.archives if a.part == "meta")
    name = "TAU-urban-audio-visual-scenes-2021-development.meta.zip"
    assert meta.url == f"https://zenodo.org/api/records/4477542/files/{name}/content"
    assert (meta.size, meta.md5) == (235316, "76e3d7ed5291b118372e06379cb2b490")


def test_a_list_without_archives_asks_the_record_for_them(listed, server):
    record = [
        {"key": f"TOY.{part}.zip", "size": len(c), "checksum": f"md5:{md5(c)}"}
        for part, c in ARCHIVES.items()
    ]
    record.append({"key": "README.md", "size": 1, "checksum": "md5:0"})
    server.files["/records/1"] = json.dumps({"files": record}).encode()
    source = listed(archives={}, record=f"{server.url}/records/1", name="{part}.zip")
    assert [(a.name, a.url) for a in source.archives] == [
        (f"TOY.{part}.zip", f"{server.url}/TOY.{part}.zip") for part in ARCHIVES
    ]
    assert [(a.size, a.md5) for a in source.archives] == [
        (len(c), md5(c)) for c in ARCHIVES.values()
    ]


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"files": [{"key": 1}]}', b'{"files": []}'])
def test_a_record_that_lists_nothing_is_told(listed, server, body):
    server.files["/records/1"] = body
    with pytest.raises(SourceError, match=r"gave no list of files|lists no zip"):
        listed(archives={}, record=f"{server.url}/records/1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "ftp://x"}, "has address 'ftp://x', expected one with http"),
        ({"archives": {"a": {"size": 1}}}, r"has \['size'\], expected some of"),
        ({"archives": {"a": {"bytes": "1 GB"}}}, "has '1 GB' bytes, expected a number"),
        ({"archives": {"a": {"md5": "abc"}}}, "has md5 'abc', expected 32 hexadecimal"),
        ({"archives": {"../a": {}}}, r"is called 'TOY\.\.\./a\.zip', expected the plain name"),
        ({"archives": {"a": {"into": "../b"}}}, "goes into '../b', expected a folder inside"),
        ({"name": "a.zip"}, "names 'a.zip' for all, expected a {part} in it"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(listed, changes, message):
    with pytest.raises(SourceError, match=message):
        listed(**changes)


def test_a_list_without_archives_or_record_is_refused(tmp_path):
    (tmp_path / "list.yaml").write_text("a: {url: 'http://a'}")
    with pytest.raises(SourceError, match="neither archives nor the address of a record"):
        sources.read(tmp_path / "list.yaml", "a")
    with pytest.raises(SourceError, match=r"has no data set 'b'; it has \['a'\]"):
        sources.read(tmp_path / "list.yaml", "b")


def test_a_list_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "list.yaml").write_text("a: [")
    with pytest.raises(SourceError, match=r"cannot be read (.|\n)*; expected a list as YAML"):
        sources.read(tmp_path / "list.yaml", "a")


def test_archives_are_chosen_by_pattern(listed):
    source = listed()
    assert [a.part for a in sources.chosen(source, ["audio.*"]).archives] == ["audio.1", "audio.2"]
    assert sources.chosen(source, []) == source
    with pytest.raises(SourceError, match="no archive is called 'sound', there are meta, audio"):
        sources.chosen(source, ["sound"])


@pytest.mark.parametrize("mirror", ["{url}/", "{url}", "{url}/{{name}}"])
def test_a_mirror_stands_in_for_the_address(listed, server, tmp_path, mirror):
    listed(url="https://127.0.0.1:1/nowhere")
    found = sources.read(
        tmp_path / "list.yaml", "development", mirror=mirror.format(url=server.url)
    )
    assert found.archives[0].url == f"{server.url}/TOY.meta.zip"
