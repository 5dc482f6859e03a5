"""An organization as its administrators meet it, for the pages on which they look after it.

What they change there is in `actions`, `invitations`, `groups`, `policies` and `service_accounts`.
"""

from __future__ import annotations

from openhood.domain.access import Viewer
from openhood.domain.accounts import rules
from openhood.domain.accounts.types import Account
from openhood.domain.services import Services


def open_org(sv: Services, viewer: Viewer, *, org: str) -> Account:
    """Return an organization for who administrates it. Opens a read unit.

    Raises: NotFound, Moved, Unauthorized, Forbidden.
    """
    with sv.db.read() as tx:
        account = rules.get_org(tx, org)
        rules.require_org_admin(viewer, account)
        return account
