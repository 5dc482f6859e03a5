"""Names that a misspelt word may mean: what to look for, and which of the found ones are near enough. Pure.

One slip (a letter too many, missing, wrong, or two swapped) is forgiven in words of four letters or more, two in
longer ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

_ONE_SLIP, _TWO_SLIPS = 4, 9
_LEAST_PART = 3
_MOST_LETTERS = 64
_WORD = re.compile(r"[^\W_]+")


def slips(word: str) -> int:
    """Return how many slips are forgiven in a word."""
    if len(word) > _MOST_LETTERS:
        return 0
    return 2 if len(word) >= _TWO_SLIPS else int(len(word) >= _ONE_SLIP)


def parts(word: str) -> list[str]:
    """Return texts of three letters or more of which a name that is meant contains one, nearly always.

    A slip leaves one half of a word as it is; words whose halves are too short are written with each pair
    of letters swapped and with each letter left out.
    """
    length = len(word)
    if length < 2 * _LEAST_PART:
        swapped = [_swap(word, at) for at in range(length - 1)]
        shorter = [word[:at] + word[at + 1 :] for at in range(length)]
        found = [word, *swapped, *shorter, word[:_LEAST_PART], word[-_LEAST_PART:]]
    elif length < _TWO_SLIPS:
        half = length // 2
        # The one slip that both halves suffer from.
        found = [word[:half], word[half:], _swap(word, half - 1)]
    else:
        third = length // 3
        found = [word[:third], word[third : 2 * third], word[2 * third :], _swap(word, length // 2 - 1)]
    return [part for part in dict.fromkeys(found) if len(part) >= _LEAST_PART]


def _swap(word: str, at: int) -> str:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def nearest(word: str, name: str) -> str | None:
    """Return the word of a name that a misspelt word may mean: the nearest, None where none is near enough."""
    allowed = slips(word)
    words = _WORD.findall(name)
    best: tuple[int, str] | None = None
    for candidate in dict.fromkeys((*words, *_joined(words))):
        if abs(len(candidate) - len(word)) > allowed:
            continue
        steps = distance(word, candidate, limit=allowed)
        if steps <= allowed and (best is None or steps < best[0]):
            best = steps, candidate
    return None if best is None else best[1]


def _joined(words: list[str]) -> Iterable[str]:
    return (one + other for one, other in pairwise(words))


@lru_cache(maxsize=10_000)
def distance(one: str, other: str, *, limit: int) -> int:
    """Return in how many slips one word becomes the other, ``limit + 1`` where there are more than ``limit``."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, against in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
