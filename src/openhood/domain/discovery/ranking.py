"""What a person typed, read as words; and how well a repository answers it. Pure functions over text.

A match in the name comes before one in the card, and among matches of one kind the popular come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openhood.base.errors import BadRequest
from openhood.infra.db.finding_words import Phrase, fold, pattern

MAX_CHARACTERS = 256
MAX_WORDS = 32
_SNIPPET = 240
_BEFORE = 60
_LEAST_PREFIX = 3
"""Beginnings of words of fewer characters than this would mean half of all words."""

# A quoted phrase (the closing quote may be missing), or whatever stands between blanks; a minus excludes.
_PIECE = re.compile(r'(-?)"([^"]*)(?:"|$)|(\S+)')
_WORD = re.compile(r"[^\W_]+")
_RAW = re.compile(r"[^\w./@:+-]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: all of ``phrases``, none of ``excluded``. ``whole`` is the text in lower case."""

    whole: str
    phrases: tuple[Phrase, ...]
    excluded: tuple[Phrase, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All words that should be there."""
        return tuple(word for phrase in self.phrases for word in phrase.words)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; marked where it is what was asked for."""

    text: str
    is_marked: bool


def parse(text: str) -> Asked:
    """Read what a person typed: words, ``"phrases"`` and ``-excluded`` ones; never fails on odd characters.

    Raises BadRequest for what is longer than a question.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadRequest(f"The search has {len(text)} characters: write {MAX_CHARACTERS} at most.")
    # PostgreSQL has no text with this character.
    text = text.replace("\0", " ")
    phrases: list[Phrase] = []
    excluded: list[Phrase] = []
    pieces = list(_PIECE.finditer(text))
    for number, piece in enumerate(pieces):
        bare = piece[3]
        is_out = bool(piece[1]) if bare is None else len(bare) > 1 and bare.startswith("-")
        written = (piece[2] if bare is None else bare).lower()
        words = tuple(_WORD.findall(written))
        if not words:
            continue
        is_last = number == len(pieces) - 1 and bare is not None and not is_out
        is_prefix = is_last and bare[-1:].isalnum() and len(words[-1]) >= _LEAST_PREFIX
        raw = _RAW.sub(" ", written).strip(" -")
        (excluded if is_out else phrases).append(Phrase(words, is_prefix, raw))
    if sum(len(each.words) for each in (*phrases, *excluded)) > MAX_WORDS:
        raise BadRequest(f"The search has too many words: write {MAX_WORDS} at most.")
    return Asked(" ".join(text.lower().split()), tuple(phrases), tuple(excluded))


def rank(asked: Asked, name: str, *, tier: int) -> int:
    """Return the rank of a repository, the smallest first.

    Args: ``name``: its id in lower case; ``tier``: its popularity, 0 (the greatest) to 63.
    """
    return tier + _distance(asked, name)


_EXACT, _NAME, _START, _WORD_START, _OWNER, _PART, _SOME, _CARD = -200, 0, 12, 18, 24, 30, 100, 200
"""What is added to the popularity: a step of three is worth a doubling of downloads."""


def _distance(asked: Asked, name: str) -> int:
    bare = name.partition("/")[2]
    if asked.whole == name:
        return _EXACT
    if asked.whole == bare:
        return _NAME - 32
    if bare.startswith(asked.whole):
        return _START
    words = asked.words
    begun = [word for word in words if _begins_word(word, bare)]
    if len(begun) == len(words):
        return _WORD_START
    if all(_begins_word(word, name) for word in words):
        return _OWNER
    inside = [word for word in words if word in name]
    if len(inside) == len(words):
        return _PART
    return _SOME if inside else _CARD


def _begins_word(word: str, name: str) -> bool:
    at = name.find(word)
    while at > 0 and name[at - 1].isalnum():
        at = name.find(word, at + 1)
    return at >= 0


def relevancy(asked: Asked, name: str, words: str) -> float:
    """Return how much of what was asked for a repository has, 0 to 1.

    A word of the name counts whole, a part of one for 0.8, a word of the card for 0.5.
    """
    if not asked.words:
        return 0.0
    card = set(_WORD.findall(fold(words)))
    found = 0.0
    for word in asked.words:
        if _begins_word(word, name):
            found += 1.0
        elif word in name:
            found += 0.8
        elif fold(word) in card:
            found += 0.5
    return round(found / len(asked.words), 4)


def mark(asked: Asked, text: str) -> tuple[Piece, ...]:
    """Return a text in pieces, with the words that were asked for marked."""
    return tuple(_pieces(text, _spots(asked, text)))


def snippet(asked: Asked, text: str) -> tuple[Piece, ...]:
    """Return the part of a card where the words that were asked for first stand, with those marked."""
    spots = _spots(asked, text)
    first = max(0, spots[0][0] - _BEFORE) if spots else 0
    if first:
        # Not in the middle of a word.
        first = text.find(" ", first, spots[0][0]) + 1 or first
    last = min(len(text), first + _SNIPPET)
    if last < len(text):
        cut = text.rfind(" ", first, last)
        last = cut if cut > first else last
    inside = [(start - first, end - first) for start, end in spots if start >= first and end <= last]
    return tuple(_pieces(text[first:last], inside))


def _spots(asked: Asked, text: str) -> list[tuple[int, int]]:
    if not asked.phrases:
        return []
    longest_first = sorted(asked.phrases, key=lambda each: -len(each.words))
    return [found.span() for found in pattern(*longest_first).finditer(fold(text))]


def _pieces(text: str, spots: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    at = 0
    for start, end in spots:
        if start > at:
            yield Piece(text[at:start], False)
        yield Piece(text[start:end], True)
        at = end
    if at < len(text):
        yield Piece(text[at:], False)
