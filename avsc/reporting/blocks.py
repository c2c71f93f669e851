"""What a page is made of: numbers that say where they come from, tables, figures and sections."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from markupsafe import Markup

# How a number is shown; what is shown differs from the file by half a unit of the last place.
FORMS = {
    "loss": "{:.3f}",
    "share": "{:.3f}",
    "signed": "{:+.3f}",
    "percent": "{:.1%}",
    "signed percent": "{:+.1%}",
    "points": "{:.1f}%",  # the file has per cent already
    "count": "{:.0f}",
    "p": "{:.2g}",
    "plain": "{:g}",
}
NUMBER = Markup('<data value="{}" data-source="{}">{}</data>')


@dataclass(frozen=True)
class Number:
    """A number of a file.

    Attributes:
        value: as it stands in the file.
        source: `<path>#<pointer>`: the file, and a JSON pointer (RFC 6901) into it; a csv is a list
            of rows, the first after the header being row 0.
        form: a key of FORMS.
    """

    value: int | float | str
    source: str
    form: str

    def __str__(self) -> str:
        return FORMS[self.form].format(float(self.value))

    def __html__(self) -> str:
        return NUMBER.format(self.value, self.source, str(self))


@dataclass(frozen=True)
class Range:
    """Two numbers of a file, of which the second is not smaller."""

    low: Number
    high: Number

    def __html__(self) -> str:
        return Markup("{} to {}").format(self.low, self.high)


@dataclass(frozen=True)
class Record:
    """A row of a csv, or a JSON file, that knows where it stands."""

    source: str
    fields: Mapping[str, Any]

    def number(self, path: str, form: str) -> Number | None:
        """Return the number at `path`, whose parts are joined by "/"; None if there is none."""
        value: Any = self.fields
        for part in path.split("/"):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None or value == "":
            return None
        return Number(value, f"{self.source}/{path}", form)

    def range(self, low: str, high: str, form: str) -> Range | None:
        """Return the numbers of two columns, None unless both are there."""
        ends = self.number(low, form), self.number(high, form)
        return None if ends[0] is None or ends[1] is None else Range(ends[0], ends[1])

    def value(self, path: str) -> float | None:
        """Return the number at `path` for a plot, None if there is none."""
        number = self.number(path, "plain")
        return None if number is None else float(number.value)

    def __getitem__(self, column: str) -> str:
        return str(self.fields[column])


class Results:
    """Files under metrics/, as `artifacts.results.read` returns them."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self.files = files

    def rows(self, path: str, **equal: str) -> list[Record]:
        """Return the rows of a csv whose columns have these values, none where there is no file."""
        numbered = enumerate(self.files.get(path, []))
        return [
            Record(f"{path}#/{i}", row)
            for i, row in numbered
            if all(row[column] == value for column, value in equal.items())
        ]

    def record(self, path: str) -> Record | None:
        """Return a JSON file, None where there is none."""
        return Record(f"{path}#", self.files[path]) if path in self.files else None

    def check(self, data: str) -> None:
        """Refuse numbers of another data set.

        Raises:
            ValueError: if a file says that it is of another data set.
        """
        for path, content in self.files.items():
            records = content if isinstance(content, list) else [content]
            others = {str(r["data"]) for r in records if "data" in r} - {data}
            if others:
                raise ValueError(
                    f"{path} is of data set {min(others)!r}, the page of {data!r}; run `dvc repro`"
                )


Cell = str | Number | Range | None


@dataclass(frozen=True)
class Table:
    """Rows of cells, of which the first is the row's name; None is a dash."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    kind: Literal["table"] = "table"

    @property
    def numeric(self) -> list[bool]:
        """Return which columns hold numbers."""
        return [
            any(isinstance(row[i], Number | Range) for row in self.rows)
            for i in range(len(self.header))
        ]

    def trimmed(self) -> "Table":
        """Return the table without the columns that are empty in every row."""
        kept = [i for i in range(len(self.header)) if any(row[i] is not None for row in self.rows)]
        rows = [[row[i] for i in kept] for row in self.rows]
        return Table(self.caption, [self.header[i] for i in kept], rows)


@dataclass(frozen=True)
class Figure:
    """A Plotly figure; every name in it has passed `figures.plain`.

    Attributes:
        caption: what it shows.
        source: the files that its numbers are of.
        plot: {"data": traces, "layout": layout}.
        height_px: on the page.
        groups: {name: colour} of traces that buttons switch on and off; the traces of a group have
            its name as their `legendgroup`.
    """

    caption: str
    source: str
    plot: Mapping[str, Any]
    height_px: int = 380
    groups: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True)
class Note:
    """A sentence of ours."""

    text: str
    kind: Literal["note"] = "note"


@dataclass(frozen=True)
class ClipLists:
    """Clips under headings; those that the clip browser has become buttons that lead there."""

    caption: str
    source: str
    lists: Mapping[str, Sequence[str]]
    kind: Literal["clips"] = "clips"


@dataclass(frozen=True)
class Block:
    """Something on the page, and the choices under which it is seen.

    Attributes:
        content: what.
        when: {choice: value}, for example {"protocol": "segment", "system": "early"}.
        wide: whether it takes the whole width; others share it in two columns.
    """

    content: Table | Figure | Note | ClipLists
    when: Mapping[str, str] = field(default_factory=dict)
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A tab.

    Attributes:
        name: in the page's address.
        title: on the tab.
        lead: a sentence of ours that says what is seen.
        blocks: its content.
        choice: what the reader chooses here besides the protocol, such as "system".
        options: what there is to choose from.
        label: of the choice, by default its name.
    """

    name: str
    title: str
    lead: str
    blocks: Sequence[Block]
    choice: str = ""
    options: Sequence[str] = ()
    label: str = ""

    def figures(self) -> Iterator[tuple[int, Figure]]:
        """Return each figure with the place of its block."""
        for i, block in enumerate(self.blocks):
            if isinstance(block.content, Figure):
                yield i, block.content
