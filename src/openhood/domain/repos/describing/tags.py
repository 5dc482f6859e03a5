"""The tags that every type of repository has, and the bounds that all tags and traits keep.

Which tags a model, a dataset or a space has, and in which order, is said in the files of those names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from openhood.domain.catalog.types import TRAIT
from openhood.domain.repos.describing.values import names_at, plain

REGION = "region:us"
"""Every repository of the Hub is somewhere; clients know the tag and some filter by it."""

_MAX_TAGS = 500
_MAX_TAG_CHARACTERS = 200
_MAX_PAPERS = 100

# Links to papers, here or at arXiv, and the usual way to write an id.
_ARXIV = re.compile(
    r"(?:arxiv(?:\.org/(?:abs|pdf|html)/|:\s?)|/papers/)(\d{4}\.\d{4,5})(?!\d)", re.IGNORECASE
)
_ARXIV_ID = re.compile(r"\d{4}\.\d{4,5}")
_DOI = re.compile(r"10\.\d{4,9}/[\w.()/:;-]{1,100}", re.ASCII)


def bounded(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags once each, clean, without traits in disguise, and no more than some hundred.

    The region is always kept, in its place.
    """
    kept: dict[str, None] = {}
    for tag in tags:
        name = plain(tag)
        if not name or len(name) > _MAX_TAG_CHARACTERS or name.startswith(TRAIT):
            continue
        if len(kept) - (REGION in kept) < _MAX_TAGS - 1 or name == REGION:
            kept[name] = None
    return tuple(kept)


def traits(kind: str, names: Iterable[str]) -> list[str]:
    """Return traits ``~kind:name``, in lower case; too long ones are left out."""
    found = (f"{TRAIT}{kind}:{name.lower()}" for name in names)
    return [name for name in found if len(name) <= _MAX_TAG_CHARACTERS][: _MAX_TAGS - 1]


def prefixed(card: Mapping[str, object], keys: Iterable[str]) -> list[str]:
    """Return ``key:value`` for what a card lists under the keys; licenses are in lower case."""
    found = []
    for key in keys:
        names = names_at(card, key)
        found += [f"{key}:{name.lower() if key == 'license' else name}" for name in names]
    return found


def papers(card: Mapping[str, object], text: str) -> list[str]:
    """Return ``arxiv:`` tags for what the card lists and what its text links to.

    **Source**: hub-docs ``model-cards.md``, "Linking a Paper".
    """
    named = [number for number in names_at(card, "arxiv") if _ARXIV_ID.fullmatch(number)]
    found = dict.fromkeys([*named, *_ARXIV.findall(text)])
    return [f"arxiv:{number}" for number in list(found)[:_MAX_PAPERS]]


def identifiers(card: Mapping[str, object]) -> list[str]:
    """Return ``doi:`` tags. The Hub mints its own; here a card may name one (unverified: our own rule)."""
    return [f"doi:{name}" for name in names_at(card, "doi") if _DOI.fullmatch(name)]
