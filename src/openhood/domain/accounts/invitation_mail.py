"""The letter that brings an invitation to whoever has an e-mail address; users of the hub hear of theirs otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import structlog

from openhood.base.errors import LetterRefused
from openhood.base.ports import Letter
from openhood.domain.accounts import invitation_rows, invitations
from openhood.domain.accounts.types import OrgInvitation
from openhood.domain.services import Services


def mail_invitation(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: send an invitation's link to its address, if it is still open. Payload: ``{"invitation": object id}``."""
    hex_id = str(payload.get("invitation"))
    if sv.mailer is None:
        return
    with sv.db.read() as tx:
        found = invitation_rows.get_invitation(tx, hex_id, now=sv.clock.now())
    if found is None or found.email is None:
        return
    try:
        sv.mailer.send(_letter(sv, found))
    except LetterRefused as error:
        # No later try would help; the inviter was shown the link as well.
        structlog.get_logger("mail").warning("mail.refused", invitation=hex_id, error=str(error))


def _letter(sv: Services, invitation: OrgInvitation) -> Letter:
    url = f"{sv.settings.public_url or ''}/invitations/{invitations.link_token(sv, invitation.hex_id)}"
    org = invitation.org.name
    by = invitation.invited_by or "An administrator"
    number = hashlib.sha256(f"invitation|{invitation.hex_id}".encode()).hexdigest()[:32]
    return Letter(
        sender=sv.settings.mail.sender,
        recipient=invitation.email or "",
        subject=f"{by} invites you into {org}",
        text=(
            f"{by} invites you into the organization {org}, with the role {invitation.role.label}.\n\n"
            f"Open this link to accept or decline, until {invitation.expires_at:%Y-%m-%d}:\n{url}\n\n"
            "Whoever has the link can use it. If you do not know what this is about, delete this letter.\n"
        ),
        html=None,
        message_id=f"<{number}@invitations.openhood.invalid>",
        headers={"Auto-Submitted": "auto-generated"},
    )
