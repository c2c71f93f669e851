"""The page of benchmarks: facts of the machine, then a section for each benchmark."""

import ast
from collections.abc import Mapping
from pathlib import Path

LOAD = "load when it began"  # differs from run to run, other facts from machine to machine


def about(path: Path) -> str:
    """Return the heading of a benchmark's section: the first line of its docstring."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]


def top(facts: Mapping[str, str], *, quick: bool) -> str:
    """Return how a page begins."""
    title = f"# Benchmarks{' (quick: the numbers mean nothing)' if quick else ''}"
    return f"{title}\n\n{_listed(facts)}\n"


def merged(page: str, sections: Mapping[str, str], facts: Mapping[str, str]) -> str:
    """Return a page with some sections replaced or added; the others stay as they are.

    Args:
        page: as it is.
        sections: text under each heading.
        facts: of the machine. Where the page is of another machine, the sections name this one.
    """
    start, *old = page.split("\n## ")
    texts = {heading: text for heading, _, text in (s.partition("\n") for s in old)}
    same = all(f"- {k}: {v}" in start.splitlines() for k, v in facts.items() if k != LOAD)
    where = "" if same else f"\n{_listed(facts)}\n"
    texts |= {heading: f"{where}\n{text.strip()}\n" for heading, text in sections.items()}
    known = {about(path): path.name for path in Path(__file__).parent.glob("[!_]*.py")}
    ordered = sorted(texts, key=lambda heading: (heading not in known, known.get(heading, heading)))
    return "\n".join([start, *(f"## {heading}\n{texts[heading]}" for heading in ordered)])


def _listed(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())
