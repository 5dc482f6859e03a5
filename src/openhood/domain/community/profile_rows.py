"""The queries behind overviews of users and organizations. Never commits."""

from __future__ import annotations

from sqlalchemy import func, select

from openhood.domain.access import Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.types import Account
from openhood.domain.accounts.visible_rows import visible_to
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import accounts, discussions, repos


def count_discussions(tx: Tx, viewer: Viewer, author: int) -> int:
    """Return how many discussions and pull requests somebody opened, of those that the viewer may see."""
    query = (
        select(func.count())
        .select_from(discussions.join(repos, repos.c.id == discussions.c.repo_id))
        .where(discussions.c.author_id == author, visible_to(viewer))
    )
    return tx.execute(query).scalar_one()


def list_orgs(tx: Tx, *, search: str | None, after: str | None, limit: int) -> list[Account]:
    """Return active organizations by name, those after the case-folded name ``after``."""
    query = select(accounts.c.id).where(accounts.c.kind == "org", accounts.c.is_active)
    if after is not None:
        query = query.where(accounts.c.name_key > after)
    if search:
        query = query.where(account_rows.matches(search))
    numbers = list(tx.execute(query.order_by(accounts.c.name_key).limit(limit)).scalars())
    known = account_rows.list_accounts_by_ids(tx, numbers)
    return [known[number] for number in numbers if number in known]
