"""Parquet tables with a digest, for Parquet checks nothing and Arrow may die of a flipped bit.

Between the last page and the footer, where readers of Parquet do not look, stands "avsc sha256 "
and the digest, in hexadecimal, of all other bytes of the file. Pages are packed by Snappy or not at
all, so that a small file cannot stand for a large table.
"""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from avsc.artifacts import whole
from avsc.artifacts.damage import reading

MARK = b"avsc sha256 "
SEAL_BYTES = len(MARK) + 64
CODECS = {"SNAPPY", "UNCOMPRESSED"}
MAX_BYTES = 2**31  # of a file
MAX_CELLS = 2**28  # rows by columns
MAX_TEXT_BYTES = 2**30  # of all names in a column


def write(path: Path, table: pa.Table) -> None:
    """Write a table, whole or not at all."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    whole.write(path, sealed(sink.getvalue().to_pybytes()))


def read(path: Path) -> pa.Table:
    """Return what `write` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        ValueError: if it is damaged, or larger than any table of ours.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; run `dvc repro` or `dvc pull` first")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes, expected at most {MAX_BYTES}; is it a table?")
    with reading(path, pa.ArrowException, ValueError, TypeError):
        content = path.read_bytes()
        _check_seal(content)
        return _within_limits(content)


def sealed(content: bytes) -> bytes:
    """Return a Parquet file with its digest in it."""
    at = _footer(content)
    return content[:at] + MARK + hashlib.sha256(content).hexdigest().encode() + content[at:]


def _check_seal(content: bytes) -> None:
    at = _footer(content)
    seal, plain = content[max(at - SEAL_BYTES, 0) : at], content[: max(at - SEAL_BYTES, 0)]
    found = hashlib.sha256(plain + content[at:]).hexdigest().encode()
    if seal != MARK + found:
        said = seal.removeprefix(MARK) if seal.startswith(MARK) else b"none"
        raise ValueError(f"its content has sha256 {found.decode()}, it says {said.decode()!r}")


def _footer(content: bytes) -> int:
    """Return where the footer begins: its length is the last number before the closing PAR1."""
    at = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    if content[:4] != b"PAR1" or content[-4:] != b"PAR1" or at < 4:
        raise ValueError("it is no whole Parquet file")
    return at


def _within_limits(content: bytes) -> pa.Table:
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        about, schema = file.metadata, file.schema_arrow
        if about.num_rows * about.num_columns > MAX_CELLS:
            raise ValueError(
                f"{about.num_rows} rows of {about.num_columns} columns, expected at most "
                f"{MAX_CELLS} cells"
            )
        groups = (about.row_group(i) for i in range(about.num_row_groups))
        codecs = {g.column(j).compression for g in groups for j in range(about.num_columns)}
        if not codecs <= CODECS:
            raise ValueError(f"packed by {sorted(codecs)}, expected {sorted(CODECS)}")
        leaves = (about.schema.column(j) for j in range(about.num_columns))
        text = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    # dictionaries first: a name stands in the file once, however many rows repeat it
    with pq.ParquetFile(pa.BufferReader(content), read_dictionary=text) as file:
        table = file.read()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if (size := sum(map(_text_bytes, column.chunks))) > MAX_TEXT_BYTES:
            raise ValueError(f"{name} of {size} bytes, expected at most {MAX_TEXT_BYTES}")
    return table.cast(schema)


def _text_bytes(values: pa.Array) -> int:
    if pa.types.is_list(values.type):
        values = values.flatten()
    if not pa.types.is_dictionary(values.type):
        return 0
    lengths = pa.compute.binary_length(values.dictionary)
    return pa.compute.sum(pa.compute.take(lengths, values.indices)).as_py() or 0
