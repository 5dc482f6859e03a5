"""Plain text, XML and CoNLL as ``datasets`` reads them.

**Source**: ``datasets/packaged_modules/{text,xml,conll}``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TextIO

import pyarrow as pa

from openhood.base.errors import TableTooLarge, TableUnreadable
from openhood.engines.tables.readers.casting import cast_table
from openhood.engines.tables.readers.given import Given, Stream
from openhood.engines.tables.readers.unpacking import Entry, all_entries

MAX_DOCUMENT_CHARS = 256 << 20
_SENTENCES_AT_ONCE = 10_000


def read_text(given: Given) -> Stream:
    """Read text files by lines, paragraphs or whole documents (``sample_by``)."""
    how = given.option("sample_by", "line")
    pieces = {"line": _lines, "paragraph": _paragraphs, "document": _documents}.get(str(how))
    if pieces is None:
        raise TableUnreadable(
            f"The card's sample_by is {str(how)[:40]!r}; it may be line, paragraph or document."
        )

    def tables() -> Iterator[pa.Table]:
        for entry in all_entries(tuple(given.sources), given.check, given.progress):
            with _opened(entry, given) as file:
                for values in pieces(file, given):
                    given.check()
                    yield _one_column(values, given, "text")

    return Stream(tables())


def read_xml(given: Given) -> Stream:
    """Read XML files: each is one row."""

    def tables() -> Iterator[pa.Table]:
        for entry in all_entries(tuple(given.sources), given.check, given.progress):
            with _opened(entry, given) as file:
                for values in _documents(file, given):
                    yield _one_column(values, given, "xml")

    return Stream(tables())


def _opened(entry: Entry, given: Given) -> TextIO:
    encoding = str(given.option("encoding", "utf-8"))
    return io.TextIOWrapper(entry.open(), encoding=encoding, errors=given.option("encoding_errors", None))


def _one_column(values: list[str], given: Given, name: str) -> pa.Table:
    if given.features is None:
        return pa.table({name: pa.array(values, pa.string())})
    return cast_table(
        pa.table({next(iter(given.features), name): pa.array(values, pa.string())}), given.features
    )


def _chunk_chars(given: Given) -> int:
    return min(int(given.option("chunksize", given.chunk_bytes)), given.chunk_bytes)


def _lines(file: TextIO, given: Given) -> Iterator[list[str]]:
    keeps = bool(given.option("keep_linebreaks", False))
    while batch := file.read(_chunk_chars(given)):
        batch += file.readline()
        lines = io.StringIO(batch).readlines()
        yield lines if keeps else [line.rstrip("\n") for line in lines]


def _paragraphs(file: TextIO, given: Given) -> Iterator[list[str]]:
    rest = ""
    while batch := file.read(_chunk_chars(given)):
        *whole, rest = (rest + batch + file.readline()).split("\n\n")
        yield [paragraph for paragraph in whole if paragraph]
    if rest:
        yield [rest]


def _documents(file: TextIO, given: Given) -> Iterator[list[str]]:
    text = file.read(MAX_DOCUMENT_CHARS + 1)
    if len(text) > MAX_DOCUMENT_CHARS:
        raise TableTooLarge(f"A file that is one row may have {MAX_DOCUMENT_CHARS >> 20} million characters.")
    yield [text]


def read_conll(given: Given) -> Stream:
    """Read CoNLL files: a token and its tags per line, an empty line after each sentence, which is a row."""
    names = given.option("column_names", ["tokens"])
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise TableUnreadable("The card's column_names must be a list of names.")

    def tables() -> Iterator[pa.Table]:
        for entry in all_entries(tuple(given.sources), given.check, given.progress):
            with _opened(entry, given) as file:
                for sentences in _sentences(file, given, len(names)):
                    given.check()
                    columns = [pa.array([sentence[at] for sentence in sentences]) for at in range(len(names))]
                    table = pa.table(columns, names=names)
                    yield table if given.features is None else cast_table(table, given.features)

    return Stream(tables())


def _sentences(file: TextIO, given: Given, width: int) -> Iterator[list[list[list[str]]]]:
    delimiter = given.option("delimiter", None)
    comment = given.option("comment_prefix", None)
    skips_start = bool(given.option("skip_docstart", True))
    at_once = min(_SENTENCES_AT_ONCE, max(100, given.chunk_bytes // 1000))
    done: list[list[list[str]]] = []
    current: list[list[str]] = [[] for _ in range(width)]
    for raw in file:
        line = raw.rstrip("\r\n")
        if not line.strip():
            if current[0]:
                done.append(current)
                current = [[] for _ in range(width)]
                if len(done) >= at_once:
                    yield done
                    done = []
            continue
        if (skips_start and line.startswith("-DOCSTART-")) or (
            comment is not None and line.startswith(comment)
        ):
            continue
        parts = line.split(delimiter)[:width]
        parts += [""] * (width - len(parts))
        for values, part in zip(current, parts, strict=True):
            values.append(part)
    if current[0]:
        done.append(current)
    if done:
        yield done
