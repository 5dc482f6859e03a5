"""The head of a Parquet file for a page, read in the process that compares files, and remembered by content."""

from __future__ import annotations

from collections.abc import Mapping

from openhood.base.errors import Unprocessable
from openhood.domain.repos.viewing import Seen, content_of
from openhood.domain.reviews.running import Comparer, Opened, Outcome
from openhood.domain.services import Services

_FORMAT = "parquet head"
_FACT_BYTES = 2000


class NoPreview(Unprocessable):
    """A file cannot be shown as a table."""


def known_parquet_head(sv: Services, seen: Seen) -> Mapping[str, object] | None:
    """Return the head of a Parquet file if it was read before, else None. Raises NoPreview as `parquet_head` does."""
    known = sv.facts.get((_FORMAT, content_of(sv, seen).name))
    return _result(known) if isinstance(known, Outcome) else None


def parquet_head(sv: Services, seen: Seen) -> Mapping[str, object]:
    """Return columns and first rows of a file that the viewer may read; takes a second when it is new.

    Raises: NoPreview for what is no Parquet file or too large to unpack; what `viewing.content_of` raises;
    what reading raises.
    """
    content = content_of(sv, seen)
    key = (_FORMAT, content.name)
    known = sv.facts.get(key)
    if not isinstance(known, Outcome):
        with Comparer(sv, seen.at.repo) as comparer:
            known = comparer.compare(_FORMAT, old=[], new=[Opened(seen.path, content)])
        sv.facts.put(key, known, weight=_FACT_BYTES + 2 * len(repr(known.result)))
    return _result(known)


def _result(outcome: Outcome) -> Mapping[str, object]:
    if outcome.result is None:
        raise NoPreview(outcome.error or "The file cannot be shown as a table.")
    return outcome.result
