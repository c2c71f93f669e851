"""`dvc gc` on a remote, and what commits and tags still find there."""

import pytest

from tests.sharing import features
from tests.sharing.clones import cached, clone, connected

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["directory", pytest.param("s3", marks=pytest.mark.nightly)])
def test_gc_keeps_what_commits_and_tags_need_and_drops_the_rest(kind, connected_to, tmp_path):
    with connected_to(kind) as remote:
        project = connected(features.repository(tmp_path / "project"), remote)
        states = {}
        for name, count in (("tagged", 20), ("dropped", 40), ("kept", 60)):
            before = set(cached(project))
            features.hold(project, features.named(count, name))
            project.run("dvc", "push", "-q")
            states[name] = set(cached(project)) - before
            if name == "tagged":
                project.run("git", "tag", "v1")
            if name in ("tagged", "dropped"):
                project.run("git", "reset", "-q", "--hard", "HEAD^")
        assert set(remote.objects()) == set().union(*states.values())
        project.run("dvc", "gc", "--all-tags", "--all-commits", "--cloud", "--force")
        needed = states["tagged"] | states["kept"]
        assert set(remote.objects()) == set(cached(project)) == needed
        consumer = clone(project, tmp_path / "consumer", remote)
        consumer.run("dvc", "fetch", "--all-tags", "--all-commits")
        assert set(cached(consumer)) == needed
