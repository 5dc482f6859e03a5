"""The language of a dataset, as its card names it, when it names one only."""

from __future__ import annotations

from openhood.domain.repos.listing import tip_at
from openhood.domain.repos.types import At
from openhood.domain.services import Services

_STEMMED = frozenset(
    [
        "ar",
        "da",
        "de",
        "el",
        "en",
        "es",
        "fi",
        "fr",
        "hu",
        "it",
        "nl",
        "no",
        "pt",
        "ro",
        "ru",
        "sv",
        "ta",
        "tr",
    ]
)
"""What the index has stemmers for (`engines.tables.fulltext.LANGUAGES`)."""


def stemmer_of(sv: Services, at: At) -> str:
    """Return the code of the language whose words are cut to their stems; empty where there is none, or several."""
    named = (tip_at(sv, at.repo, at.commit).card or {}).get("language")
    values = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return values[0] if len(values) == 1 and values[0] in _STEMMED else ""
