"""What a data set that grew by five percent costs to send."""

import pytest

from tests.sharing import features
from tests.sharing.clones import connected
from tests.sharing.remotes import files

pytestmark = pytest.mark.slow


def grown(clips, places):
    """Return clip ids, and the same with a twentieth more in so many places, evenly spread."""
    old, new = features.named(clips), features.named(clips // 20, "new")
    ids, each = list(old), len(new) // places
    for i in reversed(range(places)):
        at = (i + 1) * clips // places
        ids[at:at] = new[i * each : (i + 1) * each]
    assert len(ids) == clips + clips // 20
    return ids


NIGHTLY = pytest.mark.nightly


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    project = features.repository(tmp_path_factory.mktemp("large") / "project")
    features.hold(project, features.named(8000))
    return project


@pytest.mark.parametrize(
    ("base", "clips", "places", "least", "most"),
    [
        pytest.param("large", 8000, 1, 0.04, 0.06, id="at the end", marks=NIGHTLY),
        pytest.param("large", 8000, 10, 0.06, 0.20, id="in ten places", marks=NIGHTLY),
        pytest.param("shards", 1000, 50, 0.80, 1.00, id="everywhere"),
    ],
)
def test_what_is_sent_grows_with_the_places_where_clips_were_added(
    base, clips, places, least, most, request, folder, tmp_path
):
    producer = connected(request.getfixturevalue(base).copy(tmp_path / "producer"), folder)
    producer.run("dvc", "push")
    before = folder.objects()
    features.hold(producer, grown(clips, places))
    producer.run("dvc", "push")
    after = folder.objects()
    sent = sum(after[path] for path in after.keys() - before.keys())
    there = sum(files(producer.root / features.OUT).values())
    assert least < sent / there <= most
