"""What reviews say of changed weights, settings, rows and vocabularies, in the language of whoever reads a page.

The sentences are made by `engines.diffs`, which knows no language, are kept with the review, and are answered by the
API as they are. Numbers in them are grouped as the language does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from openhood.engines.diffs.settings import NOTES
from openhood.http.pages.language import Words
from openhood.http.pages.phrases import Phrases

_WHOLE = (
    # Longer sentences come before those that they begin like.
    "{} of {} {what} changed by {} (relative L2), most '{}' by {}",
    "{} of {} {what} changed by {} (relative L2)",
    "{} of {} {what} changed",
    "{} {what} renamed ('{}' → '{}')",
    "{} {what} recast {}→{} without loss",
    "{} {what} recast {}→{} ({} relative L2)",
    "{} {what} recast {}→{}",
    "no tensor changed ({} {what})",
    "{} {what}, {} parameters ({})",
    "{} {what}, {} parameters",
)
_OF: dict[tuple[str, str], tuple[str, ...]] = {
    ("tensor", "tensors"): (
        *_WHOLE,
        "{} {what} added",
        "{} {what} removed",
        "{} {what} renamed",
        "{} {what} reshaped",
        "{} {what} moved to another file",
    ),
    ("value", "values"): (
        "{} {what} became NaN or infinite",
        "{} {what} of special tokens changed",
        "{} {what} changed ({})",
        "{} {what} changed",
    ),
    ("metadata value", "metadata values"): ("{} {what} changed ({})", "{} {what} changed"),
    ("row", "rows"): (
        "{} {what} added",
        "{} {what} removed",
        "{} {what} changed",
        "no row changed ({} {what}, only how the file is written)",
    ),
    ("column", "columns"): ("{} {what} added ({})", "{} {what} removed ({})", "{} {what} retyped ({})"),
    ("token", "tokens"): (
        "{} {what} added",
        "{} {what} removed",
        "{} {what} got other ids, so embeddings no longer match",
        "same vocabulary ({} {what})",
    ),
    ("merge", "merges"): ("{} {what} added", "{} {what} removed"),
    ("line", "lines"): ("{} {what} added, {} removed",),
}
_OTHERS = (
    "at least {} rows, {} columns",
    "at least {} rows, {} column",
    "{} row, {} columns",
    "{} row, {} column",
    "{} rows, {} columns",
    "{} rows, {} column",
    "index of {} tensors in {} files",
    "index of {} tensors in {} file",
    "index of {} tensor in {} file",
    "{} files → {} files",
    "{} file → {} files",
    "{} files → {} file",
    "rows in another order",
    "compared the first {} rows",
    "merges in another order",
    "same merges",
    "measured on samples",
    "nothing but spaces changed",
    "quantisation {} → {}",
)
_ERRORS = (
    "The file could not be understood ({}).",
    "The file has {} bytes; files of this kind are compared up to {} bytes.",
    "'{}' is not valid Parquet: {}",
    "'{}' is not valid JSON: {}",
    "'{}' is not valid CSV: {}",
    "'{}' cannot be read: {}",
    "'{}' is not a list of records.",
    "'{}' has more than {} columns.",
    "A line of '{}' has more than {} bytes.",
    "Record {} of '{}' is not a JSON object.",
    "The file is not valid gzip: {}",
    "The index has no 'weight_map'.",
    "The tokenizer is not a JSON object.",
    "The vocabulary is not a JSON object of tokens and numbers.",
    "The file is not a SentencePiece model.",
    "The SentencePiece model ends too early.",
    "The file does not begin as GGUF does.",
    "The GGUF header ends too early.",
    "The GGUF header is longer than the file, or than any header may be.",
    "The GGUF tensor {} lies outside the file.",
)
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+")
_SHARE = re.compile(r"\d+\.\d+(?= %)")


def _phrases() -> Iterator[str]:
    for nouns, patterns in _OF.items():
        for pattern in patterns:
            yield from (pattern.replace("{what}", noun) for noun in nouns)
    yield from _OTHERS


PHRASES = Phrases(_phrases())
ERRORS = Phrases(_ERRORS)


def sentences() -> list[str]:
    """Return what catalogues translate: the phrases, why there are none, and what changed settings mean."""
    return [*PHRASES, *ERRORS, *dict.fromkeys(NOTES.values()), "text: {}", "metadata: {}"]


def told(words: Words, summary: str) -> str:
    """Return a summary in a language; what is none of the phrases stays as it is."""
    whole = ERRORS.told(words, summary)
    return whole if whole is not None else "; ".join(_part(words, part) for part in summary.split("; "))


def _part(words: Words, part: str) -> str:
    for name in ("text", "metadata"):
        head = f"{name}: "
        if part.startswith(head):
            return words.gettext(f"{name}: {{}}").format(_part(words, part.removeprefix(head)))
    found = PHRASES.told(words, part)
    if found is None:
        # The name of an architecture stands before what is said of its weights.
        name, colon, rest = part.partition(": ")
        return f"{name}{colon}{PHRASES.told(words, rest) or rest}" if colon else part
    figures = words.figures
    found = _NUMBER.sub(lambda number: number[0].replace(",", figures.group), found)
    return _SHARE.sub(lambda number: number[0].replace(".", figures.decimal), found)
