"""Letters about what is in inboxes: at once or daily, as each person wants, and never if the hub sends no mail.

A letter is handed over first and noted after: it may come twice where the hub dies between, never not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import structlog

from openhood.base.errors import BadRequest, LetterRefused, NotSupported, TooManyRequests
from openhood.base.ports import Letter
from openhood.domain import audit, links
from openhood.domain.access import Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import rules, sign_in
from openhood.domain.accounts.types import Account
from openhood.domain.links import BadLink
from openhood.domain.notifications import actions, letters, rows
from openhood.domain.notifications.letters import Wording
from openhood.domain.notifications.types import Notice, Preferences, read_preferences
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

MAX_ENTRIES = 30
_MAX_NOTED = 1000
_MAX_CONFIRMATIONS = 5
_UNSUBSCRIBE = "mail-unsubscribe"
_CONFIRM = "mail-confirm"
_UNSUBSCRIBE_LIFE_S = 365 * 86400.0
_CONFIRM_LIFE_S = 2 * 86400.0


def is_on(sv: Services) -> bool:
    """Tell whether this hub sends letters."""
    return sv.mailer is not None


def plan(sv: Services, tx: Tx, user: int, preferences: Preferences, *, may_wait: bool = False) -> None:
    """See to it that somebody gets a letter about their inbox, in the caller's unit; one job per person waits."""
    if sv.mailer is None:
        return
    now = sv.clock.now()
    if preferences.mail == "daily" or may_wait:
        queue.enqueue(
            tx,
            "mail_notices",
            {"user": user, "daily": True},
            now=now,
            dedup_key=f"mail:daily:{user}",
            delay_s=_until_daily_s(sv),
        )
        return
    queue.enqueue(
        tx,
        "mail_notices",
        {"user": user, "daily": False},
        now=now,
        dedup_key=f"mail:{user}",
        delay_s=sv.settings.mail.wait_s,
    )


def _until_daily_s(sv: Services) -> float:
    """Return the seconds until the next full hour at which daily letters are written."""
    now = sv.clock.now()
    next_time = now.replace(hour=sv.settings.mail.daily_hour, minute=0, second=0, microsecond=0)
    if next_time <= now:
        next_time += timedelta(days=1)
    return (next_time - now).total_seconds()


def mail_notices(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: write somebody a letter about what came into their inbox since the last. Payload: user, daily."""
    user = payload.get("user")
    if not isinstance(user, int) or sv.mailer is None:
        return
    with sv.db.read() as tx:
        viewer = sign_in.by_number(tx, user)
        account = None if viewer is None else account_rows.get_account_by_id(tx, user)
        if viewer is None or account is None or not may_write_to(sv, account):
            return
        preferences = read_preferences(account)
        if preferences.mail == "daily" and payload.get("daily") is not True:
            waits = True
            pending: list[Notice] = []
        else:
            waits = False
            pending = rows.list_unmailed(tx, viewer, user, limit=_MAX_NOTED)
        wanted = [each for each in pending if preferences.wants_mail(each.reason)]
        told = wanted[:MAX_ENTRIES]
        comments = rows.list_comments(
            tx, [name for each in told if isinstance(name := each.facts.get("comment"), str)]
        )
    if waits:
        with sv.db.write() as tx:
            plan(sv, tx, user, preferences)
        return
    if told:
        _send_notices(sv, account, told, more=len(wanted) - len(told), comments=comments)
        with sv.db.write() as tx:
            rows.set_mailed(tx, wanted, at=sv.clock.now())


def _send_notices(
    sv: Services, account: Account, told: list[Notice], *, more: int, comments: Mapping[str, str]
) -> None:
    hub_url = _hub_url(sv)
    token = links.make_token(
        sv, purpose=_UNSUBSCRIBE, facts={"user": account.hex_id}, lifetime_s=_UNSUBSCRIBE_LIFE_S
    )
    unsubscribe = f"{hub_url}/mail/unsubscribe/{token}"
    entries = [letters.entry_of(each, hub_url=hub_url, comments=comments) for each in told]
    wording = letters.compose(entries, more=more, hub_url=hub_url, unsubscribe=unsubscribe)
    headers = {
        "List-Unsubscribe": f"<{unsubscribe}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }
    if len(told) == 1 and told[0].discussion is not None:
        # Programs that read mail show the letters of one discussion together.
        headers["References"] = f"<discussion.{told[0].discussion.hex_id}@{_host(sv)}>"
    # The same letter sent again has the same number, by which receivers drop the second.
    seed = "|".join(f"{each.id}:{each.updated_at.timestamp()}" for each in told)
    _send(sv, account, wording, headers, seed=f"notices|{account.hex_id}|{seed}")


def _send(sv: Services, account: Account, wording: Wording, headers: Mapping[str, str], *, seed: str) -> None:
    assert sv.mailer is not None
    number = hashlib.sha256(seed.encode()).hexdigest()[:32]
    letter = Letter(
        sender=sv.settings.mail.sender,
        recipient=account.email or "",
        subject=wording.subject,
        text=wording.text,
        html=wording.html,
        message_id=f"<{number}@{_host(sv)}>",
        headers=headers,
    )
    try:
        sv.mailer.send(letter)
    except LetterRefused as error:
        # No later try would help; the inbox holds it all.
        structlog.get_logger("mail").warning("mail.refused", user=account.name, error=str(error))


def may_write_to(sv: Services, account: Account) -> bool:
    """Tell whether an account has an address that letters may go to."""
    if not account.email or not account.is_active or account.kind != "user":
        return False
    return account.email_verified or not sv.settings.mail.verified_only


def _hub_url(sv: Services) -> str:
    return sv.settings.public_url or ""


def _host(sv: Services) -> str:
    return urlsplit(_hub_url(sv)).hostname or "openhood.invalid"


# --- no more letters ---------------------------------------------------------------------------


def check_unsubscribe(sv: Services, *, token: str) -> Account:
    """Return whom a link of a letter was written to. Opens a read unit. Raises BadLink, ExpiredLink."""
    facts = links.check_token(sv, token, purpose=_UNSUBSCRIBE)
    with sv.db.read() as tx:
        account = account_rows.get_account_by_hex_id(tx, str(facts.get("user")))
    if account is None:
        raise BadLink("The account that this link was written to is gone.")
    return account


def unsubscribe(sv: Services, *, token: str) -> Account:
    """End all letters to whom a link was written to, without signing in. Opens units. Raises BadLink, ExpiredLink."""
    account = check_unsubscribe(sv, token=token)
    with sv.db.write() as tx:
        actions.change_preferences(tx, account.id, {"mail": "never"})
    return account


# --- whose address it is -----------------------------------------------------------------------


def ask_confirmation(sv: Services, viewer: Viewer) -> None:
    """Write the viewer a letter with a link that proves their address theirs. Opens a read, then a write unit.

    Raises: Unauthorized, Forbidden, NotSupported without mail, BadRequest without an address, TooManyRequests.
    """
    rules.require_writer(viewer)
    if sv.mailer is None:
        raise NotSupported("This hub sends no mail. Its operator can switch it on with OPENHOOD_MAIL_URL.")
    now = sv.clock.now()
    key = f"mail confirm {viewer.user_id}"
    wait_s = sv.attempts.wait_s(key, most=_MAX_CONFIRMATIONS, now=now)
    if wait_s:
        raise TooManyRequests(f"Too many letters. Try again in {wait_s} seconds.", retry_after_s=wait_s)
    with sv.db.read() as tx:
        account = None if viewer.user_id is None else account_rows.get_account_by_id(tx, viewer.user_id)
    if account is None or not account.email:
        raise BadRequest("You have no e-mail address. Set one with PATCH /api/settings/profile.")
    sv.attempts.failed(key, window_s=3600.0, now=now)
    with sv.db.write() as tx:
        queue.enqueue(
            tx, "mail_confirmation", {"user": account.id}, now=now, dedup_key=f"mail:confirm:{account.id}"
        )


def mail_confirmation(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: write the letter that `ask_confirmation` asked for. Payload: user."""
    user = payload.get("user")
    if not isinstance(user, int) or sv.mailer is None:
        return
    with sv.db.read() as tx:
        account = account_rows.get_account_by_id(tx, user)
    if account is None or not account.email or not account.is_active or account.email_verified:
        return
    token = links.make_token(
        sv,
        purpose=_CONFIRM,
        facts={"user": account.hex_id, "email": account.email},
        lifetime_s=_CONFIRM_LIFE_S,
    )
    link = f"{_hub_url(sv)}/mail/confirm/{token}"
    wording = letters.confirmation(hub_url=_hub_url(sv), name=account.name, link=link)
    _send(sv, account, wording, {"Auto-Submitted": "auto-generated"}, seed=f"confirm|{token}")


def check_confirmation(sv: Services, *, token: str) -> Account:
    """Return whose address a link proves. Opens a read unit. Raises BadLink, ExpiredLink."""
    facts = links.check_token(sv, token, purpose=_CONFIRM)
    with sv.db.read() as tx:
        account = account_rows.get_account_by_hex_id(tx, str(facts.get("user")))
    if account is None or not account.is_active or account.email != facts.get("email"):
        raise BadLink("The address was changed since this letter was written. Ask for another one.")
    return account


def confirm(sv: Services, *, token: str) -> Account:
    """Note that an address is its owner's. Opens a read, then a write unit. Raises BadLink, ExpiredLink."""
    account = check_confirmation(sv, token=token)
    with sv.db.write() as tx:
        account_rows.lock_account(tx, account.id)
        now_is = account_rows.get_account_by_id(tx, account.id)
        if now_is is None or now_is.email != account.email:
            raise BadLink("The address was changed since this letter was written. Ask for another one.")
        account_rows.update_account(tx, account.id, email_verified=True)
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=account.name,
            action="user.verify_email",
            subject=account.name,
            owner_id=account.id,
        )
    return account
