"""Reading lists of the domain to their end: commands have no pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions
from openhood.domain.accounts.types import Account, Member
from openhood.domain.services import Services

_PAGE = 1000


def all_accounts(sv: Services, *, kind: Literal["user", "org"], search: str | None) -> Iterator[Account]:
    """Yield every user or every organization by name."""
    after = None
    while True:
        page = actions.list_accounts(sv, SYSTEM, kind=kind, search=search, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].name


def all_members(sv: Services, *, org: str) -> Iterator[Member]:
    """Yield every member of an organization by name. Raises NotFound."""
    after = None
    while True:
        page = actions.list_members(sv, SYSTEM, org=org, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].account.name
