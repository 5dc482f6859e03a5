"""Removing what an account had for itself when it is closed. No rules, no commits."""

from __future__ import annotations

from sqlalchemy import delete, func, or_, select, update

from openhood.infra.db import community_tables as community
from openhood.infra.db import identity_tables as identity
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import accounts, memberships, repos

_OWNED = (
    (community.watches, community.watches.c.user_id),
    (community.notices, community.notices.c.user_id),
    (community.webhooks, community.webhooks.c.owner_id),
    (community.access_requests, community.access_requests.c.account_id),
    (community.collections, community.collections.c.owner_id),
    (identity.org_invitations, identity.org_invitations.c.user_id),
    (identity.org_invitations, identity.org_invitations.c.org_id),
    (identity.resource_group_members, identity.resource_group_members.c.user_id),
    (identity.recovery_codes, identity.recovery_codes.c.user_id),
    (identity.second_factors, identity.second_factors.c.user_id),
    (identity.sso_identities, identity.sso_identities.c.user_id),
    (identity.oauth_codes, identity.oauth_codes.c.user_id),
    (identity.oauth_consents, identity.oauth_consents.c.user_id),
    (identity.trusted_publishers, identity.trusted_publishers.c.account_id),
)


def count_repos(tx: Tx, account: int) -> int:
    """Return how many repositories an account owns."""
    return int(tx.execute(select(func.count()).where(repos.c.owner_id == account)).scalar_one())


def list_administrated(tx: Tx, user: int) -> list[tuple[int, str]]:
    """Return the active organizations that a user administrates, by number and name."""
    query = (
        select(accounts.c.id, accounts.c.name)
        .join(memberships, memberships.c.org_id == accounts.c.id)
        .where(memberships.c.user_id == user, memberships.c.role == "admin", accounts.c.is_active)
    )
    return [(row.id, row.name) for row in tx.execute(query)]


def list_service_accounts(tx: Tx, org: int) -> list[int]:
    """Return the service accounts of an organization."""
    return list(tx.execute(select(accounts.c.id).where(accounts.c.org_id == org)).scalars())


def delete_owned(tx: Tx, account: int) -> None:
    """Remove what hangs on an account and is nobody else's: what it said and made elsewhere stays."""
    for table, column in _OWNED:
        tx.execute(delete(table).where(column == account))
    follows = community.follows
    tx.execute(delete(follows).where(or_(follows.c.follower_id == account, follows.c.followed_id == account)))
    tx.execute(
        delete(memberships).where(or_(memberships.c.user_id == account, memberships.c.org_id == account))
    )


def deactivate(tx: Tx, numbers: list[int]) -> None:
    """Lock accounts out."""
    tx.execute(update(accounts).where(accounts.c.id.in_(numbers)).values(is_active=False))
