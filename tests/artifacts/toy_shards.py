"""A folder of shards, as an extraction leaves it."""

from avsc.artifacts import shard
from avsc.artifacts.damage import digests


def write(path, clips, *, about=None, quarantined=None):
    """Write a shard, and the list of all that lie in its folder."""
    shard.write(path, clips, about=about or {}, quarantined=quarantined or {})
    list_again(path.parent)


def list_again(folder):
    """Write the list of the shards that lie in a folder."""
    shard.write_list(folder, {p.name: digests(p, "sha256")[0] for p in sorted(folder.glob("*.h5"))})
