"""Search for repositories by name and by the text of their cards, and for accounts by name.

A few hundred candidates of each type are taken, the most popular first, and then ranked by how well they match
(`ranking`). Where nothing is called as was asked, names that were likely meant are (`spelling`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from openhood.base.errors import BadRequest
from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.accounts.types import Account
from openhood.domain.catalog import texts
from openhood.domain.discovery import ranking, search_rows, spelling
from openhood.domain.discovery.ranking import Asked, Piece
from openhood.domain.repos.listing_rows import Listed, list_numbers
from openhood.domain.services import Services
from openhood.infra.db import finding_words
from openhood.infra.db.engine import Tx
from openhood.infra.db.finding_words import Phrase, Place, Sought

MAX_LIMIT = 100
MAX_HITS = 400
"""So many of the best answers of a type can be paged through."""
_NAMES = 200
_TEXTS = 200
_MISSPELT = 150
_LEAST_PART = 3
_MANY = 4
_QUICK = 60
_FEW = 40
"""Where so many have the words, the last is not taken for a beginning in cards."""
# Words of a sentence that say nothing about what is looked for.
_FILLERS = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "as",
        "at",
        "be",
        "by",
        "can",
        "for",
        "from",
        "has",
        "have",
        "i",
        "in",
        "is",
        "it",
        "me",
        "my",
        "of",
        "on",
        "or",
        "that",
        "the",
        "this",
        "to",
        "use",
        "with",
    ]
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A repository that was found.

    ``name`` is its id and ``snippet`` the part of its card that matched, both in pieces; ``relevancy`` is from 0 to 1.
    """

    listed: Listed
    name: tuple[Piece, ...]
    snippet: tuple[Piece, ...]
    relevancy: float


@dataclass(frozen=True, slots=True)
class Hits:
    """A page of what was found.

    ``total`` is how many there are to page through; where ``is_all`` is false, there are more than are looked
    for.
    """

    hits: tuple[Hit, ...]
    total: int
    is_all: bool


@dataclass(frozen=True, slots=True)
class Names:
    """The repositories of a type that are called so, the best first; ``total`` as of `Hits`."""

    found: tuple[tuple[str, str], ...]
    total: int


@dataclass(frozen=True, slots=True)
class Quick:
    """What the search bar shows: repositories as (id, object id) by type, users, organizations.

    ``suggestion`` is what may have been meant where little is called as was asked.
    """

    repos: dict[RepoType, Names]
    users: tuple[Account, ...]
    orgs: tuple[Account, ...]
    suggestion: str | None


def quick_search(
    sv: Services,
    viewer: Viewer,
    *,
    text: str,
    types: Collection[RepoType],
    kinds: Collection[str],
    limit: int,
    exclude: Collection[str] = (),
) -> Quick:
    """Return what is called as someone begins to type, of each type and kind (``user``, ``org``).

    Args: ``exclude``: ids and names, in any case, that are not wanted. Raises BadRequest.
    """
    asked = ranking.parse(text)
    left_out = {each.lower() for each in exclude}
    with sv.db.read() as tx:
        people = _people(tx, asked, limit=limit, exclude=left_out) if kinds else []
        called = _called(tx, viewer, types, asked, limit=_QUICK)
        suggestion = None
        if not people and not any(called.values()):
            called, suggestion = _mended(tx, viewer, types, asked, limit=_QUICK)
        found: dict[RepoType, Names] = {}
        for repo_type, places in called.items():
            wanted = [each for each in places if each.name not in left_out]
            ids = search_rows.ids_of(tx, [each.number for each in wanted[:limit]])
            found[repo_type] = Names(tuple(ids), len(wanted))
    users = tuple(each for each in people if not each.is_org and "user" in kinds)
    orgs = tuple(each for each in people if each.is_org and "org" in kinds)
    return Quick(found, users[:limit], orgs[:limit], suggestion)


def search_texts(
    sv: Services, viewer: Viewer, *, text: str, types: Collection[RepoType], skip: int, limit: int
) -> Hits:
    """Return a page of the repositories that have all words in name or card. Raises BadRequest."""
    asked = _without_fillers(ranking.parse(text))
    with sv.db.read() as tx:
        found = [each for repo_type in types for each in _about(tx, viewer, repo_type, asked)]
        ranked = _ranked(asked, found)
        hits = _hits(tx, asked, ranked[skip : skip + limit])
    return Hits(hits, len(ranked), len(ranked) < _TEXTS)


def search_spaces(
    sv: Services, viewer: Viewer, *, text: str, tags: Collection[str], sdks: Collection[str], limit: int
) -> tuple[Hit, ...]:
    """Return the spaces that a sentence may be about: those with all its words, else those with most of them.

    Args: ``tags``: all must be there; ``sdks``: one must, none for any. Raises BadRequest, also for no words.
    """
    asked = _without_fillers(ranking.parse(text))
    if not asked.phrases:
        raise BadRequest("The search 'q' is empty: say in some words what the space should do.")
    with sv.db.read() as tx:
        found = _about(tx, viewer, RepoType.SPACE, asked)
        if len(found) < limit and len(asked.phrases) > 1:
            sought = Sought(asked.phrases, asked.excluded, is_any=True)
            more = search_rows.find_by_text(tx, viewer, RepoType.SPACE, sought, limit=_TEXTS)
            found = list({each.number: each for each in (*found, *more)}.values())
        if tags or sdks:
            numbers = [each.number for each in found]
            fitting = search_rows.has_tags_and_sdk(tx, numbers, tags=tags, sdks=sdks)
            found = [each for each in found if each.number in fitting]
        cards = finding_words.words_of(tx, [each.number for each in found])
        score = {
            each.number: ranking.relevancy(asked, each.name, cards.get(each.number, "")) for each in found
        }
        best = sorted(found, key=lambda each: (-score[each.number], each.place))
        return _hits(tx, asked, best[:limit], with_card=True)


def _called(
    tx: Tx, viewer: Viewer, types: Collection[RepoType], asked: Asked, *, limit: int
) -> dict[RepoType, list[Place]]:
    """Return the repositories of some types that are called so, the best first."""
    found: dict[RepoType, list[Place]] = {}
    if sum(len(word) >= _LEAST_PART for word in asked.words) >= _MANY:
        # A whole name most likely, whose words are found faster than parts of words.
        found = {each: _of_words(tx, viewer, each, asked, limit=limit) for each in types}
    if not any(found.values()):
        found = {each: _named(tx, viewer, each, asked, limit=limit) for each in types}
    return {each: _ranked(asked, places) for each, places in found.items()}


def _mended(
    tx: Tx, viewer: Viewer, types: Collection[RepoType], asked: Asked, *, limit: int
) -> tuple[dict[RepoType, list[Place]], str | None]:
    """Return what is called as may have been meant, and that."""
    for repo_type in types:
        meant = _meant(tx, viewer, repo_type, tuple(dict.fromkeys(asked.words)))
        if meant is not None:
            better = ranking.parse(meant)
            return _called(tx, viewer, types, better, limit=limit), meant
    return {each: [] for each in types}, None


def _named(tx: Tx, viewer: Viewer, repo_type: RepoType, asked: Asked, *, limit: int) -> list[Place]:
    words = tuple(dict.fromkeys(asked.words))
    if not words:
        return []
    long = [[word] for word in words if len(word) >= _LEAST_PART]
    found = search_rows.find_by_name(tx, viewer, repo_type, long, limit=limit)
    if not long:
        # Too short to be looked for anywhere in a name: as words of it, or of the card.
        found = search_rows.find_by_text(tx, viewer, repo_type, Sought(asked.phrases, ()), limit=limit)
    if "/" in asked.whole:
        exact = search_rows.find_at(tx, viewer, repo_type, asked.whole)
        found = found if exact is None else [exact, *(each for each in found if each.number != exact.number)]
    return _with_words(asked, found)


def _of_words(tx: Tx, viewer: Viewer, repo_type: RepoType, asked: Asked, *, limit: int) -> list[Place]:
    sought = Sought(asked.phrases, ())
    return _with_words(asked, search_rows.find_by_text(tx, viewer, repo_type, sought, limit=limit))


def _with_words(asked: Asked, found: Iterable[Place]) -> list[Place]:
    """Leave out what has not all words in its id, or has one that was excluded."""
    outside = [word for phrase in asked.excluded for word in phrase.words]
    return [
        each
        for each in found
        if all(word in each.name for word in asked.words) and not any(word in each.name for word in outside)
    ]


def _meant(tx: Tx, viewer: Viewer, repo_type: RepoType, words: Sequence[str]) -> str | None:
    """Return the words with those mended that no name has, None where that leads nowhere."""
    parts = [spelling.parts(word) for word in words if spelling.slips(word)]
    if not parts:
        return None
    # People misspell what they have heard of.
    for each in search_rows.find_by_name(tx, viewer, repo_type, parts, limit=_MISSPELT, is_popular=True):
        mended = [word if word in each.name else spelling.nearest(word, each.name) for word in words]
        if None not in mended:
            return " ".join(word for word in mended if word is not None)
    return None


def _about(tx: Tx, viewer: Viewer, repo_type: RepoType, asked: Asked) -> list[Place]:
    """Return candidates that have all words in name or card."""
    if not asked.phrases:
        return []
    exact = tuple(Phrase(each.words, False, each.raw) for each in asked.phrases)
    found = search_rows.find_by_text(tx, viewer, repo_type, Sought(exact, asked.excluded), limit=_TEXTS)
    if len(found) < _FEW and exact != asked.phrases:
        found += _with_beginning(tx, viewer, repo_type, asked)
    if len(found) >= _FEW:
        # The best are called so, and may not be among the most popular that merely mention it.
        called = _named(tx, viewer, repo_type, asked, limit=_NAMES)
        found += [each for each in called if _is_in_words(asked, each.name)]
    return list({each.number: each for each in found}.values())


def _with_beginning(tx: Tx, viewer: Viewer, repo_type: RepoType, asked: Asked) -> list[Place]:
    """Return candidates that have all words, the last of which may be but a beginning.

    What has the others is read where it is little: to gather all words that begin so takes far longer.
    """
    *others, last = asked.phrases
    if others:
        sought = Sought(tuple(others), asked.excluded)
        near = search_rows.find_by_text(tx, viewer, repo_type, sought, limit=_TEXTS)
        if len(near) < _TEXTS:
            begins = finding_words.pattern(last)
            cards = finding_words.words_of(tx, [each.number for each in near])
            return [
                each
                for each in near
                if begins.search(finding_words.fold(f"{each.name} / {cards.get(each.number, '')}"))
            ]
    sought = Sought(asked.phrases, asked.excluded)
    return search_rows.find_by_text(tx, viewer, repo_type, sought, limit=_TEXTS)


def _is_in_words(asked: Asked, name: str) -> bool:
    marked = " ".join(piece.text for piece in ranking.mark(asked, name) if piece.is_marked)
    return all(word in marked for word in asked.words)


def _ranked(asked: Asked, found: Iterable[Place]) -> list[Place]:
    def key(each: Place) -> tuple[int, int]:
        return ranking.rank(asked, each.name, tier=texts.tier_at(each.place)), each.place

    return sorted(found, key=key)[:MAX_HITS]


def _hits(tx: Tx, asked: Asked, page: Sequence[Place], *, with_card: bool = False) -> tuple[Hit, ...]:
    numbers = [each.number for each in page]
    cards = finding_words.words_of(tx, numbers)
    return tuple(
        Hit(
            each,
            ranking.mark(asked, str(each.repo.repo_id)),
            ranking.snippet(asked, cards.get(each.repo.id, "")),
            ranking.relevancy(asked, str(each.repo.repo_id).lower(), cards.get(each.repo.id, "")),
        )
        for each in list_numbers(tx, numbers, with_card=with_card)
    )


def _people(tx: Tx, asked: Asked, *, limit: int, exclude: Collection[str]) -> list[Account]:
    if not asked.words:
        return []
    return search_rows.find_accounts(tx, asked.whole, limit=2 * limit, exclude=exclude)


def _without_fillers(asked: Asked) -> Asked:
    said = tuple(each for each in asked.phrases if len(each.words) > 1 or each.words[0] not in _FILLERS)
    return Asked(asked.whole, said or asked.phrases, asked.excluded)
