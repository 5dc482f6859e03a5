"""What became of each thing a provision file names, and how a refusal says where in the file it arose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from openhood.base.errors import HubError

Outcome = Literal["created", "updated", "deleted", "unchanged"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of the file and its outcome; in a dry run what would become of it.

    ``secret`` is a token's value that was made up, to be shown once.
    """

    kind: Literal["user", "token", "organization", "member", "repository", "files", "alias"]
    name: str
    outcome: Outcome
    details: str = ""
    secret: str | None = None


class ProvisionFailed(HubError):
    """The file was applied up to a place that the hub refuses; what came before stays."""

    status = 422


@contextmanager
def at(place: str) -> Iterator[None]:
    """Say where in the file a refusal arose."""
    try:
        yield
    except ProvisionFailed:
        raise
    except HubError as error:
        raise ProvisionFailed(f"{place}: {error.message}") from error


def outcome_of(changed: list[str]) -> Outcome:
    """Return what to report for a thing that existed, given what was changed about it."""
    return "updated" if changed else "unchanged"
