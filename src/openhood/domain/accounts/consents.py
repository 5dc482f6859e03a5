"""What people granted to programs: seeing it, and taking it back.

Asking them is in `oauth_codes` and, for the device flow, in `oauth`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from openhood.base.errors import NotFound, Unauthorized
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import client_rows, oauth_code_rows, rows
from openhood.domain.accounts.rules import require_writer
from openhood.domain.accounts.types import Account, OauthClient
from openhood.domain.services import Services


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person granted one program; no scopes: everything. ``by_device``: on a machine without a browser."""

    client: OauthClient
    scopes: tuple[str, ...]
    orgs: tuple[Account, ...]
    granted_at: datetime
    by_device: bool


def list_grants(sv: Services, viewer: Viewer) -> list[Grant]:
    """Return what the viewer granted to programs. Opens a read unit. Raises: Unauthorized, Forbidden."""
    user_id = _person(viewer)
    with sv.db.read() as tx:
        consents = {each.client_id: each for each in oauth_code_rows.list_consents(tx, user_id)}
        devices = oauth_code_rows.list_device_sign_ins(tx, user_id)
        clients = client_rows.list_clients(tx, sorted({*consents, *devices}))
        own = [each.org for each in rows.list_memberships(tx, user_id)]
    found = [
        Grant(
            clients[client_id],
            tuple(consent.scope.split()),
            oauth_code_rows.pick_orgs(own, consent.org_ids),
            consent.updated_at,
            by_device=False,
        )
        for client_id, consent in consents.items()
        if client_id in clients
    ]
    found += [
        Grant(clients[client_id], tuple(scope.split()), (), began, by_device=True)
        for client_id, (scope, began) in devices.items()
        if client_id in clients and client_id not in consents
    ]
    return sorted(found, key=lambda each: each.granted_at, reverse=True)


def revoke_grant(sv: Services, viewer: Viewer, *, client_id: str) -> None:
    """Take back everything the viewer granted a program; its tokens end at once. Opens a write unit.

    Raises: Unauthorized, Forbidden, NotFound.
    """
    user_id = _person(viewer)
    with sv.db.write() as tx:
        client = client_rows.get_client(tx, client_id)
        if not oauth_code_rows.delete_grant(tx, user_id=user_id, client_id=client_id):
            raise NotFound("You have granted nothing to such an application.")
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="oauth.revoke_grant",
            subject=viewer.name,
            owner_id=user_id,
            client_id=client_id,
            client="" if client is None else client.name,
        )


def _person(viewer: Viewer) -> int:
    require_writer(viewer)
    if viewer.user_id is None:
        raise Unauthorized("You must be logged in to do this.")
    return viewer.user_id
