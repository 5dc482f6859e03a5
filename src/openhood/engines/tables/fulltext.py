"""An index of the words of a large split, made once: answers in a millisecond where reading takes a second.

BM25 over all text columns, with the stemmer of the card's language where it names one that there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow.parquet as pq
import tantivy

from openhood.engines.tables.task import Source, Task
from openhood.engines.tables.words import texts_in

ROW = "row"
TEXT = "text"
LOCK = "index/.tantivy-meta.lock"
"""What the library locks, below the directory of an index, to open it."""
_TOKENIZER = "openhood"
_HEAP_BYTES = 128 * 1024 * 1024
_BATCH_ROWS = 4096
_LONGEST_WORD = 40
LANGUAGES = {
    "ar": "arabic", "da": "danish", "nl": "dutch", "en": "english", "fi": "finnish", "fr": "french", "de": "german",
    "el": "greek", "hu": "hungarian", "it": "italian", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "es": "spanish", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""Languages with a stemmer, by their codes."""


def build(task: Task, columns: Sequence[str], language: str, *, starts: Sequence[int]) -> int:
    """Write the index of the text columns into ``task.out``; returns the number of rows in it."""
    assert task.out is not None
    target = task.out / "index"
    target.mkdir()
    index = tantivy.Index(_schema(), path=str(target))
    index.register_tokenizer(_TOKENIZER, _analyzer(language))
    writer = index.writer(heap_size=_HEAP_BYTES, num_threads=2)
    rows = 0
    for source, start in zip(task.sources, starts, strict=True):
        for text in _texts(source, columns):
            document = tantivy.Document()
            document.add_unsigned(ROW, start)
            document.add_text(TEXT, text)
            writer.add_document(document)
            start += 1
            rows += 1
            if rows % _BATCH_ROWS == 0:
                task.check_time()
    writer.commit()
    writer.wait_merging_threads()
    return rows


def search(
    place: Path, words: Sequence[str], language: str, *, offset: int, length: int
) -> tuple[list[int], int]:
    """Return the numbers of the rows that hold a word, best first, and how many there are in all."""
    index = _open(str(place / "index"), language)
    searcher = index.searcher()
    analyzer = _analyzer(language)
    terms = dict.fromkeys(token for word in words for token in analyzer.analyze(word))
    parts = [
        (tantivy.Occur.Should, tantivy.Query.term_query(index.schema, TEXT, token, "freq")) for token in terms
    ]
    if not parts:
        return [], 0
    found = searcher.search(
        tantivy.Query.boolean_query(parts), limit=max(1, length), offset=offset, count=True
    )
    rows = searcher.fast_field_values(ROW, [address for _score, address in found.hits]) if found.hits else []
    total: int = found.count  # type: ignore[attr-defined]  # the stubs leave it out
    return [int(row or 0) for row in rows][:length], total


def _texts(source: Source, columns: Sequence[str]) -> Iterator[str]:
    """Yield the text of each row: all its columns in one, a line each."""
    with source.open() as file:
        parquet = pq.ParquetFile(file, pre_buffer=True)
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=list(columns)):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield "\n".join(text for value in row for text in texts_in(value))


@lru_cache(maxsize=4)
def _open(place: str, language: str) -> tantivy.Index:
    index = tantivy.Index.open(place)
    index.register_tokenizer(_TOKENIZER, _analyzer(language))
    return index


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field(ROW, stored=True, fast=True)
    builder.add_text_field(TEXT, stored=False, tokenizer_name=_TOKENIZER, index_option="freq")
    return builder.build()


def _analyzer(language: str) -> tantivy.TextAnalyzer:
    builder = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_LONGEST_WORD))
        .filter(tantivy.Filter.lowercase())
    )
    stemmer = LANGUAGES.get(language)
    return (builder.filter(tantivy.Filter.stemmer(stemmer)) if stemmer else builder).build()
