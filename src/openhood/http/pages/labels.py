"""The names that come from lists (tasks, languages, countries, licenses) in the language of whoever reads.

What sentences say is `language`'s business; what a tag means is `engines.formats.vocabulary`'s.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from babel import Locale, UnknownLocaleError

from openhood.engines.formats import vocabulary
from openhood.http.pages.shown import ENGLISH, Figures

# In these categories tags are words of a language; in all others they name things, which are called the same in all.
TRANSLATED = frozenset(
    {
        "pipeline_tag",
        "task_categories",
        "modality",
        "license",
        "sdk",
        "multilinguality",
        "annotations_creators",
        "language_creators",
    }
)
_MODALITIES = ("3d", "audio", "document", "geospatial", "image", "tabular", "text", "timeseries", "video")
_OTHERS = ("Multilingual", "Other", "Static", "Unknown", "other", "unknown")
_DATASET_WORDS = (
    "crowdsourced",
    "expert-generated",
    "found",
    "machine-generated",
    "monolingual",
    "multilingual",
    "no-annotation",
    "translation",
)


def sentences() -> list[str]:
    """Return the names that catalogues translate; languages and countries have theirs in Babel."""
    found = {each.label for each in vocabulary.tasks().values()}
    found |= {vocabulary.label_of("modality", name) for name in _MODALITIES}
    return sorted(found | set(_OTHERS) | set(_DATASET_WORDS))


@functools.cache
def figures_of(language: str, byte: str) -> Figures:
    """Return how a language writes numbers. *Args*: ``byte`` is its sign for bytes. **Source**: Unicode CLDR."""
    locale = _locale(language)
    symbols = {} if locale is None else locale.number_symbols["latn"]
    return Figures(
        str(symbols.get("decimal", ENGLISH.decimal)), str(symbols.get("group", ENGLISH.group)), byte
    )


@functools.cache
def languages_in(language: str) -> Mapping[str, str]:
    """Return the names of languages in one of them, by their English names. **Source**: Unicode CLDR."""
    locale = _locale(language)
    names = {} if locale is None else locale.languages
    return {
        each.name: _capital(str(names[each.code]))
        for each in vocabulary.languages().values()
        if each.code in names
    }


@functools.cache
def countries_in(language: str) -> Mapping[str, str]:
    """Return the names of countries in a language, by their codes. **Source**: Unicode CLDR."""
    locale = _locale(language)
    return {} if locale is None else {code: str(name) for code, name in locale.territories.items()}


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


@functools.cache
def _locale(language: str) -> Locale | None:
    try:
        return Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return None
