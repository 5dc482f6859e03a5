"""A made-up hub of a million repositories: who owns what, how popular it is, what it is called and what it says.

The same seed makes the same hub. How the rows get into a database is in `million_load`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import million_words as words
from bench.million_rows import TYPES, Batch, Maker
from bench.million_tags import (
    ENDS,
    GGUF,
    KINDS,
    MLX,
    PEFT,
    RL,
    SHARES,
    Ints,
    Names,
    dataset_tags,
    model_tags,
    space_tags,
    zipf,
)
from openhood.domain.discovery import trending
from openhood.engines.formats.vocabulary import categorise

MEMBER = "member"
TOKEN = "hf_" + "memberofmillion" * 2 + "abcd"
LARGE = "bulk"
"""The organisation with one repository in fifty, of which `MEMBER` is a member, as of nine others."""
DAY_MS = 86_400_000
_BATCH = 20_000


@dataclass(frozen=True)
class Shape:
    """How large the hub is. ``hidden`` is the share of its private repositories, ``now_ms`` its present."""

    repos: int
    now_ms: int
    hidden: float = 0.08
    accounts: int = 2_000
    seed: int = 20

    @property
    def bases(self) -> int:
        """So many models are the base of others, at most."""
        return max(20, self.repos * 12 // 1000)


class Hub:
    """All of a hub in arrays by repository, in the order of their numbers."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._rng = rng = np.random.default_rng(shape.seed)
        count = shape.repos
        self.kinds = rng.choice(3, count, p=(0.65, 0.20, 0.15))
        self.created = np.sort(shape.now_ms - (rng.beta(1.0, 1.6, count) * 1500 * DAY_MS).astype(np.int64))
        self.ids = (self.created << 21) | rng.integers(0, 1 << 21, count)
        self.ids += np.arange(count) * (np.diff(self.ids, prepend=-1) <= 0)
        age = shape.now_ms - self.created
        self.modified = self.created + np.minimum(age, rng.exponential(60 * DAY_MS, count)).astype(np.int64)
        self._own()
        self._be_popular()
        self.gated = np.where(rng.random(count) < 0.03, rng.integers(1, 3, count), 0)
        self._name()
        self.tag_names: list[str] = []
        self.tag_types: list[str] = []
        self._makers: dict[int, Maker] = {}
        self._rows_of: dict[int, Ints] = {}
        self._describe()
        self._vocabulary = words.vocabulary(30_000, seed=5)
        self._rare = words.syllables(200_000, seed=6, most=6)
        # A word per entry, each as often as it is used: drawing a number is then drawing a word.
        self._drawn = zipf(rng, 1 << 21, len(self._vocabulary), power=1.0).astype(np.int32)

    # --- whose they are, and how popular -----------------------------------------------------

    def _own(self) -> None:
        shape, rng = self.shape, self._rng
        made = words.syllables(shape.accounts, seed=3, most=3)
        self.accounts = [LARGE, *(f"{name}-ai" if at % 7 == 0 else name for at, name in enumerate(made[1:]))]
        self.orgs = shape.accounts // 5
        owners = 1 + zipf(rng, shape.repos, shape.accounts - 1, power=0.8)
        self.owners = np.where(rng.random(shape.repos) < 0.02, 0, owners)
        closed = rng.random(shape.accounts) < 0.05
        rate = np.where(closed, max(0.6, shape.hidden), max(0.0, (shape.hidden - 0.03) / 0.95))
        if shape.hidden > 0.5:
            rate[:] = shape.hidden
        rate[0] = shape.hidden
        self.hidden = rng.random(shape.repos) < rate[self.owners]
        # Of large, middling and small organisations.
        self.memberships = sorted({0, *(int(self.orgs * part) for part in (0.002, 0.01, 0.05, 0.1, 0.2))})
        self.memberships += [at for at in range(self.orgs - 1, 0, -1) if at not in self.memberships][
            : 10 - len(self.memberships)
        ]

    def _be_popular(self) -> None:
        rng, count = self._rng, self.shape.repos
        ranks = np.empty(count)
        ranks[rng.permutation(count)] = np.arange(count)
        downloads = 1e8 / (ranks + 1) ** 1.3 * rng.lognormal(0, 0.6, count)
        downloads[rng.random(count) < 0.2] = 0
        self.downloads = downloads.astype(np.int64)
        self.all_time = (self.downloads * rng.uniform(1, 20, count)).astype(np.int64)
        # Who is downloaded much is liked much, more or less.
        liked = np.argsort(np.argsort(np.log1p(ranks) + rng.normal(0, 1, count)))
        self.likes = (1e4 / (liked + 1) ** 0.8).astype(np.int64)
        self.ranks = ranks
        self._be_active()

    def _be_active(self) -> None:
        """Choose some likes and downloads of the last days, and let scores follow from them as in the hub."""
        rng, count = np.random.default_rng((self.shape.seed, 1)), self.shape.repos
        today = self.shape.now_ms // DAY_MS
        best = np.argsort(self.ranks)
        liked = best[zipf(rng, count // 5, max(100, count // 20), power=0.7)]
        users = rng.integers(self.orgs + 1, self.shape.accounts + 1, len(liked))
        pairs = np.unique(np.stack([liked, users], axis=1), axis=0)
        self._liked, self._likers = pairs[:, 0], pairs[:, 1]
        ago = rng.exponential(90 * DAY_MS, len(pairs)).astype(np.int64)
        self._liked_at = self.shape.now_ms - ago
        read = np.sort(best[: max(100, count // 50)])
        self._downloaded = np.repeat(read, 5)
        self._download_days = np.tile(today - np.arange(5, 0, -1), len(read))
        self._download_counts = np.maximum(1, self.downloads[self._downloaded] // 30)
        points = np.zeros(count)
        for rows, days, gained in (
            (self._liked, self._liked_at // DAY_MS, np.full(len(pairs), float(trending.A_LIKE))),
            (self._downloaded, self._download_days, np.sqrt(self._download_counts)),
        ):
            age = today - days
            np.add.at(points, rows, np.where(age < trending.DAYS, gained * trending.DECAY**age, 0.0))
        self.trending = np.round(points).astype(np.int64)

    def _name(self) -> None:
        rng, count = self._rng, self.shape.repos
        self.model_kinds = np.where(self.kinds == 0, rng.choice(len(KINDS), count, p=SHARES), -1)
        family = zipf(rng, count, len(words.FAMILIES), power=0.9).tolist()
        made = words.syllables(20_000, seed=4, most=3)
        first = zipf(rng, count, len(made), power=0.7).tolist()
        second = zipf(rng, count, len(made), power=0.7).tolist()
        form = rng.integers(0, 6, count).tolist()
        number = rng.integers(1, 4096, count).tolist()
        taken: set[tuple[int, int, str]] = set()
        self.names: list[str] = []
        columns = zip(self.kinds.tolist(), self.model_kinds.tolist(), self.owners.tolist(), strict=True)
        for at, (kind, model_kind, owner) in enumerate(columns):
            end = ENDS[kind if kind else 3 + model_kind][form[at]]
            stem = words.FAMILIES[family[at]] if kind == 0 else made[second[at]]
            if model_kind == RL:
                name = f"{words.GAMES[family[at] % len(words.GAMES)]}-{made[first[at]]}"
            elif form[at] % 2:
                name = f"{stem}-{made[first[at]]}{end}"
            else:
                name = f"{made[first[at]]}_{stem}{end}"
            if (kind, owner, name.lower()) in taken:
                name = f"{name}-{number[at]}"
            while (kind, owner, name.lower()) in taken:
                name = f"{name}x"
            taken.add((kind, owner, name.lower()))
            self.names.append(name)

    def full_names(self, kind: int, count: int) -> list[str]:
        """Return the ids of a type's most popular public repositories, the most popular first."""
        derived = np.isin(self.model_kinds, (GGUF, PEFT, RL, MLX))
        rows = np.flatnonzero((self.kinds == kind) & ~self.hidden & ~derived)
        best = rows[np.argsort(self.ranks[rows])][:count]
        return [f"{self.accounts[self.owners[at]]}/{self.names[at]}" for at in best.tolist()]

    # --- what they say -----------------------------------------------------------------------

    def _describe(self) -> None:
        models = self.full_names(0, self.shape.bases)
        datasets = self.full_names(1, self.shape.bases // 2)
        for kind, describe in enumerate((model_tags, dataset_tags, space_tags)):
            rows = self._rows_of[kind] = np.flatnonzero(self.kinds == kind)
            names = Names(len(rows))
            model_kinds = self.model_kinds[rows] if kind == 0 else np.zeros(len(rows), np.int64)
            describe(names, self._rng, model_kinds, models, datasets)
            known, matrix = names.table()
            self._makers[kind] = Maker(self, kind, names.picks, known, matrix, first=len(self.tag_names) + 1)
            self.tag_names += known
            self.tag_types += [TYPES[kind].value] * len(known)

    def tag_pairs(self) -> tuple[Ints, Ints]:
        """Return tag numbers and the rows that have them, by tag and then by row."""
        numbers, rows = [], []
        for kind, maker in self._makers.items():
            at, column = np.nonzero(maker.matrix >= 0)
            numbers.append(maker.matrix[at, column].astype(np.int64) + maker.first)
            rows.append(self._rows_of[kind][at])
        all_numbers, all_rows = np.concatenate(numbers), np.concatenate(rows)
        order = np.lexsort((all_rows, all_numbers))
        return all_numbers[order], all_rows[order]

    def tags(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of tags with their counts."""
        numbers, rows = self.tag_pairs()
        size = len(self.tag_names) + 1
        everywhere = np.bincount(numbers, minlength=size).tolist()
        shown = np.bincount(numbers[~self.hidden[rows]], minlength=size).tolist()
        for number, (of, name) in enumerate(zip(self.tag_types, self.tag_names, strict=True), 1):
            yield number, of, name, name.lower(), categorise(of, name), shown[number], everywhere[number]

    # --- rows --------------------------------------------------------------------------------

    def batches(self) -> Iterator[Batch]:
        """Yield all repositories in the order of their numbers."""
        for start in range(0, self.shape.repos, _BATCH):
            span = np.arange(start, min(start + _BATCH, self.shape.repos))
            batch = Batch()
            sizes = self._rng.integers(60, 151, len(span))
            drawn = self._drawn[self._rng.integers(0, len(self._drawn), int(sizes.sum()))].tolist()
            rare = self._rng.integers(0, len(self._rare) * 3 // 2, len(span)).tolist()
            ends = np.cumsum(sizes).tolist()
            said, begin = [], 0
            for end, odd in zip(ends, rare, strict=True):
                said.append(" ".join([self._vocabulary[at] for at in drawn[begin:end]]))
                if odd < len(self._rare):
                    said[-1] += " " + self._rare[odd]
                begin = end
            for kind, maker in self._makers.items():
                inside = span[self.kinds[span] == kind]
                first = int(np.searchsorted(self._rows_of[kind], start))
                maker.make(batch, inside.tolist(), first, [said[at - start] for at in inside.tolist()])
            batch.repos.sort(key=_number)
            yield batch

    def likes_rows(self) -> list[tuple[int, int, int]]:
        """Return likes of the last months."""
        ids = self.ids[self._liked].tolist()
        return list(zip(ids, self._likers.tolist(), self._liked_at.tolist(), strict=True))

    def download_rows(self) -> list[tuple[int, int, int]]:
        """Return the downloads of the last days of the most popular."""
        ids = self.ids[self._downloaded].tolist()
        return list(zip(ids, self._download_days.tolist(), self._download_counts.tolist(), strict=True))


def _number(row: tuple[Any, ...]) -> int:
    return int(row[0])
