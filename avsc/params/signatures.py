"""What plug-ins and functions take, read from their source: nothing is imported."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union

PACKAGE = Path(__file__).parents[1]
NAMES: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "Annotated": Annotated,
    "Any": Any,
    "Literal": Literal,
    "Mapping": Mapping,
    "Sequence": Sequence,
}


@dataclass(frozen=True)
class Signature:
    """The arguments of a function.

    Attributes:
        kinds: {name: type} of each argument that has a name.
        defaults: {name: value} of those whose default is a literal.
        required: those without a default.
        takes_more: whether it takes keys beside these that could not be found out.
    """

    kinds: Mapping[str, Any]
    defaults: Mapping[str, Any]
    required: frozenset[str]
    takes_more: bool


def plug_ins(package: str) -> list[str]:
    """Return the names of the heads or encoders: the files of their package."""
    return sorted(p.stem for p in (PACKAGE / package).glob("*.py") if not p.stem.startswith("_"))


def path_of(module: str) -> Path:
    """Return the file of a module of ours, such as "heads.gated"."""
    path = PACKAGE / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def parsed(module: str) -> ast.Module:
    """Return the syntax tree of a module of ours."""
    return ast.parse(path_of(module).read_text("utf-8"))


@cache
def signature(module: str, name: str) -> Signature:
    """Return the arguments of a function, of a class, or of a method ("Encoder.views").

    Arguments that are passed on as `**rest` are those of the function that receives them.
    """
    function, owner = _function(module, name)
    arguments = function.args
    positional = [a for a in arguments.args if a.arg not in ("self", "cls")]
    first = len(positional) - len(arguments.defaults)
    kinds = {a.arg: _kind(a.annotation, module) for a in [*positional, *arguments.kwonlyargs]}
    required = {a.arg for a in positional[:first]}
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    defaults = {a.arg: default for a, default in pairs if default is not None}
    required |= {a.arg for a in arguments.kwonlyargs if a.arg not in defaults}
    values = {n: ast.literal_eval(d) for n, d in defaults.items() if _is_literal(d)}
    if arguments.kwarg is None:
        return Signature(kinds, values, frozenset(required), takes_more=False)
    receiver = _receiver(module, function, arguments.kwarg.arg, owner)
    if receiver is None:
        return Signature(kinds, values, frozenset(required), takes_more=True)
    target, given = receiver
    rest = signature(*target)
    passed = {k: v for k, v in rest.kinds.items() if k not in given | rest.required}
    own = passed | kinds
    return Signature(own, values, frozenset(required), rest.takes_more)


def methods(module: str, name: str) -> frozenset[str]:
    """Return the names of the methods and attributes that a class defines."""
    found: set[str] = set()
    for node in _definition(module, name).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        found |= {t.id for t in targets if isinstance(t, ast.Name)}
    return frozenset(found)


def constant(module: str, name: str) -> Any:
    """Return a literal that a module assigns, or a class of it ("Encoder.modality"), or None."""
    owner, _, last = name.rpartition(".")
    body = _definition(module, owner).body if owner else parsed(module).body
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == last:
            return ast.literal_eval(node.value)
    return None


def names_in(module: str, name: str) -> list[str]:
    """Return the keys of a mapping that a module assigns to a name."""
    for node in parsed(module).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        if any(ast.unparse(t) == name for t in targets) and isinstance(node.value, ast.Dict):  # type: ignore[attr-defined]
            return [ast.literal_eval(k) for k in node.value.keys if k is not None]  # type: ignore[attr-defined]
    raise LookupError(f"avsc.{module} has no {name}")


def disturbances(modality: str | None) -> tuple[str, ...]:
    """Return the kinds of disturbances of a modality, by their keys in params.yaml."""
    for node in parsed("media.disturbances").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KINDS":
            assert isinstance(node.value, ast.Dict)
            kinds = zip(node.value.keys, node.value.values, strict=True)
            return tuple(
                ast.literal_eval(key)
                for key, kind in kinds
                if key is not None and ast.literal_eval(kind.args[2]) == modality  # type: ignore[attr-defined]
            )
    raise LookupError("avsc/media/disturbances.py has no KINDS")


def calls(module: str, name: str, function: str) -> bool:
    """Return whether the constructor of a class calls a function by its name."""
    node, _ = _function(module, name)
    called = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
    return any(isinstance(f, ast.Name) and f.id == function for f in called)


def _definition(module: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    for node in parsed(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
    raise LookupError(f"avsc.{module} defines no {name}")


def _function(module: str, name: str) -> tuple[ast.FunctionDef, ast.ClassDef | None]:
    first, _, method = name.partition(".")
    found = _definition(module, first)
    if isinstance(found, ast.FunctionDef):
        return found, None
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and node.name == (method or "__init__"):
            return node, found
    fields = [n for n in found.body if isinstance(n, ast.AnnAssign)]  # of a dataclass
    made = ast.parse("def made(self): ...").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.args.kwonlyargs = [
        ast.arg(n.target.id, n.annotation) for n in fields if isinstance(n.target, ast.Name)
    ]
    made.args.kw_defaults = [n.value for n in fields]
    return made, found


def _receiver(
    module: str, function: ast.FunctionDef, rest: str, owner: ast.ClassDef | None
) -> tuple[tuple[str, str], frozenset[str]] | None:
    """Return module and name of the function that gets `**rest`, and what else it is given."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        passed = [k.value for k in node.keywords if k.arg is None]
        passed += [v for d in passed if isinstance(d, ast.Dict) for v in d.values]
        if not any(isinstance(v, ast.Name) and v.id == rest for v in passed):
            continue
        given = frozenset(k.arg for k in node.keywords if k.arg)
        if isinstance(node.func, ast.Name):
            return _resolved(module, node.func.id), given
        if isinstance(node.func, ast.Attribute) and owner is not None:
            return (module, f"{owner.name}.{node.func.attr}"), given
    return None


def _resolved(module: str, name: str) -> tuple[str, str]:
    for node in parsed(module).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("avsc."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return (node.module or "").removeprefix("avsc."), alias.name
    return module, name


def _is_literal(node: ast.expr) -> bool:
    return all(
        isinstance(
            n, ast.Constant | ast.Tuple | ast.List | ast.Dict | ast.UnaryOp | ast.USub | ast.Load
        )
        for n in ast.walk(node)
    )


def _kind(annotation: ast.expr | None, module: str) -> Any:
    """Return the type of an annotation; what is not known here takes any value."""
    try:
        return Any if annotation is None else _type(annotation, module)
    except (LookupError, TypeError, ValueError, FileNotFoundError):
        return Any


def _type(node: ast.expr, module: str) -> Any:
    """Return the type that an annotation spells, without running it; a LookupError if unknown."""
    if isinstance(node, ast.Name):
        return NAMES[node.id] if node.id in NAMES else _alias(node.id, module)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return Union[_type(node.left, module), _type(node.right, module)]  # noqa: UP007 (None, too)
    if isinstance(node, ast.Subscript):
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        outer = NAMES[ast.unparse(node.value)]
        if outer is Literal:
            return outer[tuple(map(ast.literal_eval, inside))]
        kinds = [
            ast.literal_eval(n) if isinstance(n, ast.Constant) else _type(n, module) for n in inside
        ]
        return outer[tuple(kinds)] if len(kinds) > 1 else outer[kinds[0]]
    return ast.literal_eval(node)


def _alias(name: str, module: str) -> Any:
    """Return the type that a module of ours gives a name."""
    home, own = _resolved(module, name)
    for node in parsed(home).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == own:
            return _type(node.value, home)
    raise LookupError(f"avsc.{home} gives no type the name {own}")


def modality_of(encoder: str) -> str | None:
    """Return what an encoder takes, audio or video; None if there is no such encoder."""
    if encoder not in plug_ins("encoders"):
        return None
    found: str | None = constant(f"encoders.{encoder}", "Encoder.modality")
    return found
