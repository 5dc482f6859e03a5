"""What the tip of a repository says of it, as the commit computes it and the rows keep it.

Frozen facts; how they are drawn from git is `repos.describe`'s, how they are written `catalog.record`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from openhood.base.names import RepoType

MAX_LISTED_PATHS = 1000
"""Up to so many files of a tip are kept as a list with its row; of larger ones git is asked."""

MAX_SUMMARY_CHARACTERS = 8_000
"""So much of a card's text is searched."""

TRAIT = "~"
"""Begins the names that are filtered by like tags but are never shown: no tag of a user may begin with it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A result of a model in a benchmark, as a file under ``.eval_results/`` states it.

    ``entry`` is the whole entry as JSON-like values, in the shape clients parse (huggingface_hub
    ``_eval_results.py``); the rest is what it is found by.
    """

    dataset_id: str
    task_id: str
    value: float | str
    filename: str
    entry: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TipFacts:
    """What the tip of main says of the repository; computed outside any unit, written with the ref.

    ``tags`` are shown, ``traits`` (each begins with `TRAIT`) only filtered by: ``~app:vllm`` for a program
    that can run a model, ``~model:ns/name`` and ``~dataset:ns/name`` (lower case) for what a space or a
    model uses, ``~linked`` on a space that uses any. ``extras`` are JSON-like values by their API names, such as ``transformersInfo``,
    ``mask_token`` or ``description``. ``summary`` is the card as plain text, for search. ``paths`` are all
    files of the tip in git's order, None where there are more than `MAX_LISTED_PATHS`.
    """

    card: Mapping[str, object] | None
    config: Mapping[str, object] | None
    tags: tuple[str, ...]
    pipeline_tag: str | None
    library_name: str | None
    sdk: str | None
    traits: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
    summary: str = ""
    evaluations: tuple[Evaluation, ...] = ()
    paths: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """A repository as this room knows it: what its rows are filed under.

    ``search_text`` is the lower-case ``namespace/name``; ``is_hidden``: only members may know of it.
    """

    id: int
    type: RepoType
    search_text: str
    owner_id: int
    is_hidden: bool
