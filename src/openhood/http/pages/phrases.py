"""Sentences that code without a language made, said in the language of whoever reads: known by the English ones.

What the sentences are is the business of those who list them (`refusals`, `summaries`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol


class Speaker(Protocol):
    """What is needed of `language.Words`."""

    language: str

    def gettext(self, message: str) -> str:
        """Return a sentence in this language."""


class Phrases:
    """Sentences in which ``{}`` stands for what differs from one to the next: a name, a number, a path."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences: Sequence[str] = tuple(sentences)
        self._patterns = tuple(
            (each, re.compile(re.escape(each).replace(r"\{\}", "(.+?)"), re.DOTALL))
            for each in self.sentences
            if "{}" in each
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.sentences)

    def told(self, speaker: Speaker, message: str) -> str | None:
        """Return a message as ``speaker`` says it, None where it is none of these; the first that fits counts."""
        if message in self.sentences:
            return speaker.gettext(message)
        for sentence, pattern in self._patterns:
            found = pattern.fullmatch(message)
            if found is not None:
                return speaker.gettext(sentence).format(*found.groups())
        return None
