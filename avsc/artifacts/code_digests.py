"""code.yaml: a digest of the code behind each stage, plug-in and study.

    stages | heads | encoders | executors: {name: 12 hexadecimal digits}
    study: {name: {head: its digest}}, the heads that the cells name

A digest covers every module of ours that the entry imports, directly or not, as a syntax tree
without comments, docstrings and layout: an edit that cannot change a result keeps the digest.
Python 3.11 to 3.14 give the same digests.
"""

import ast
import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from avsc.artifacts import whole

ROOT = Path(__file__).parents[2]
PACKAGES = ("stages", "avsc")
PLUGINS = ("heads", "encoders", "executors")  # folders of avsc/ whose files are found by name
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
NOT_DUMPED = ("ctx", "kind", "type_comment")  # fields that cannot change what the code does


def write(path: Path, digests: Mapping[str, Mapping[str, Any]]) -> None:
    """Write code.yaml."""
    whole.write(path, yaml.safe_dump(dict(digests), sort_keys=False).encode())


class Sources:
    """The source files of the project below a folder, each parsed once."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self._trees: dict[str, ast.Module] = {}
        self._imports: dict[str, list[str]] = {}
        self._digests: dict[str, str] = {}

    def entries(self, folder: str) -> dict[str, str]:
        """Return {name: path} of the scripts or plug-ins in a folder."""
        files = sorted((self.root / folder).glob("*.py"))
        return {f.stem: f"{folder}/{f.name}" for f in files if not f.stem.startswith("_")}

    def digest(self, paths: Collection[str]) -> str:
        """Return 12 hexadecimal digits of what some files and all that they import do."""
        reached = sorted({path for entry in paths for path in self.closure(entry)})
        lines = (f"{path} {self._digest(path)}\n" for path in reached)
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]

    def closure(self, entry: str) -> set[str]:
        """Return a file and every module of ours that importing it loads, plug-ins excepted."""
        found: set[str] = set()
        todo = [entry]
        while todo:
            path = todo.pop()
            if path not in found:
                found.add(path)
                todo += self._imported(path)
        return found

    def _digest(self, path: str) -> str:
        if path not in self._digests:
            text = "".join(_dump(self._tree(path)))
            self._digests[path] = hashlib.sha256(text.encode()).hexdigest()
        return self._digests[path]

    def _tree(self, path: str) -> ast.Module:
        if path not in self._trees:
            tree = ast.parse((self.root / path).read_text("utf-8"), path)
            for node in ast.walk(tree):
                if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False):
                    node.body = node.body[1:] or [ast.Pass()]
                if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty texts to f-strings
                    node.values = [v for v in node.values if getattr(v, "value", None) != ""]
            self._trees[path] = tree
        return self._trees[path]

    def _imported(self, path: str) -> list[str]:
        """Return the files that a file imports, wherever in it, and those of their packages."""
        if path not in self._imports:
            own = path.removesuffix(".py").split("/")
            names = {".".join(own)} | set(_imported_names(self._tree(path), own[:-1]))
            parts = [name.split(".") for name in names if name.split(".")[0] in PACKAGES]
            files = {self._file("/".join(p[:n])) for p in parts for n in range(1, len(p) + 1)}
            self._imports[path] = sorted(f for f in files if f is not None)
        return self._imports[path]

    def _file(self, module: str) -> str | None:
        files = (f"{module}.py", f"{module}/__init__.py")
        return next((f for f in files if (self.root / f).is_file()), None)


def _imported_names(tree: ast.Module, package: list[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _dump(value: Any) -> Iterator[str]:
    """Yield a syntax tree as text; Pythons differ in which empty fields they have."""
    if isinstance(value, ast.AST):
        yield f"{type(value).__name__}("
        for name in value._fields:
            child = getattr(value, name, None)
            if child is not None and child != [] and name not in NOT_DUMPED:
                yield f"{name}="
                yield from _dump(child)
        yield ")"
    elif isinstance(value, list):
        for child in value:
            yield from _dump(child)
            yield ","
    else:
        yield ascii(value)
