"""Write params.yaml and studies.yaml for a test."""

from pathlib import Path

import yaml


class Plain(yaml.SafeDumper):
    """Writes every value out, without anchors."""

    def ignore_aliases(self, _):
        return True


def write(root, tree):
    """Write the sections of a tree to the two files of a folder."""
    parts = {
        "params.yaml": {k: v for k, v in tree.items() if k != "study"},
        "studies.yaml": {k: v for k, v in tree.items() if k == "study"},
    }
    for name, part in parts.items():
        if part or name == "params.yaml":
            text = yaml.dump(part, Dumper=Plain, sort_keys=False)
            Path(root, name).write_text(text)


def read(root):
    """Return the sections of both files of a folder."""
    files = (Path(root, name) for name in ("params.yaml", "studies.yaml"))
    trees = (yaml.safe_load(f.read_text()) for f in files if f.is_file())
    return {key: value for tree in trees for key, value in tree.items()}
