"""What a gate asks and what people answered: frozen facts. No rows, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from openhood.domain.accounts.types import Account
from openhood.domain.repos.types import Repo

Answers = Mapping[str, str | bool]
"""What somebody filled in, by the name of the field; a box that was ticked is True."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a list: what is shown and what is kept."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class FormField:
    """One thing a gate asks. ``kind``: text, checkbox, date_picker, country, select or ip_location."""

    name: str
    kind: str
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class GateForm:
    """What a card says of its gate. Texts are the authors' own, empty where the card says nothing."""

    heading: str = ""
    description: str = ""
    prompt: str = ""
    button: str = ""
    fields: tuple[FormField, ...] = ()
    is_eu_disallowed: bool = False


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A person's, or an organization's, request to read a gated repository.

    ``status`` is pending, accepted or rejected. ``reviewed_by`` is None where the gate itself let them in.
    """

    id: int
    hex_id: str
    account: Account
    status: str
    fields: Answers
    requested_at: datetime
    reviewed_at: datetime | None
    reviewed_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class RequestsPage:
    """One page of requests; ``cursor`` leads to the next or is None."""

    items: tuple[AccessRequest, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class GateView:
    """A gate as one person sees it.

    ``may_read``: nothing is left to ask for. ``orgs`` are the organizations the person could ask for.
    """

    repo: Repo
    form: GateForm
    may_read: bool
    status: str
    reason: str | None
    orgs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request in a batch; ``error`` is None where it was done."""

    user: str
    error: str | None
