"""Asking for access to a gated repository, and deciding who gets it.

``pending`` becomes ``accepted`` or ``rejected``, each of which may become any other; whoever was rejected stays so
until the authors change their mind. Whether somebody may read is decided in `access`, of what is written here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from openhood.base.errors import BadRequest, Forbidden, GatedRepo, HubError, NotFound, Unauthorized
from openhood.base.names import RepoId, RepoType
from openhood.domain import audit, events
from openhood.domain.access import Need, OrgRole, Verdict, Viewer, decide
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import rules
from openhood.domain.accounts.types import Account
from openhood.domain.gating import forms, rows
from openhood.domain.gating.rows import Chosen, Place
from openhood.domain.gating.types import AccessRequest, GateForm, GateView, Outcome, RequestsPage
from openhood.domain.repos import listing_rows, lookup
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

STATUSES = ("pending", "accepted", "rejected")
MAX_PAGE = 1000
MAX_BATCH = 100
MAX_REASON = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Decision:
    """What the authors say to a request; ``status`` is one of `STATUSES`, or ``reset``: as if never asked."""

    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Whose:
    """Which request is meant: by the account's name, by its id, or by the request's own."""

    user: str | None = None
    user_id: str | None = None
    request_id: str | None = None


def see_gate(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> GateView:
    """Return a gate as the viewer finds it. Opens a read unit. Raises: what `lookup.find` raises."""
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        own = None if viewer.user_id is None else rows.find_request(tx, repo.id, viewer.user_id)
        administrated = [number for number, role in viewer.roles.items() if role is OrgRole.ADMIN]
        orgs = account_rows.list_accounts_by_ids(tx, administrated)
        form = _form(tx, repo)
    return GateView(
        repo=repo,
        form=form,
        may_read=decide(viewer, repo.facts, Need.READ) is Verdict.ALLOW,
        status=repo.admission.status,
        reason=own.reason if own is not None and own.status == "rejected" else None,
        orgs=tuple(sorted(org.name for org in orgs.values() if org.is_active)),
    )


def ask(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    answers: Mapping[str, object],
    country: str | None,
) -> str:
    """Ask for access, for oneself or an organization one administrates; returns the status. Opens a write unit.

    Args: ``answers`` are the form's inputs by name, `forms.ORG_FIELD` among them; ``country`` is where the person
    is, if the hub knows. Asking again changes nothing.
    Raises: what `lookup.find` raises; Unauthorized, Forbidden; BadRequest for a repository without a gate and an
    incomplete form; GatedRepo for whoever was rejected.
    """
    with sv.db.write() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        if viewer.is_anonymous:
            raise Unauthorized("You must be logged in to ask for access.")
        rules.require_writer(viewer)
        _require_gate(repo)
        asker = _asker(tx, viewer, answers)
        known = rows.find_request(tx, repo.id, asker.id)
        if known is not None and known.status == "rejected":
            raise GatedRepo(_rejected(known), anonymous=False)
        if known is not None and known.status == "accepted":
            return known.status
        if known is None and not asker.is_org and decide(viewer, repo.facts, Need.READ) is Verdict.ALLOW:
            return "accepted"
        if known is not None and repo.gated == "manual":
            return known.status
        form = _form(tx, repo)
        if forms.is_shut_to(form, answers, country=country):
            raise Forbidden("This repository must not be used in the European Union, where you seem to be.")
        kept = forms.check_answers(form, answers, country=country)
        status = "accepted" if repo.gated == "auto" else "pending"
        if known is None:
            return _enter(tx, sv, viewer, repo, asker, status=status, fields=kept)
        # It waits since the gate let nobody in by itself, which it does by now.
        _decide(tx, sv, viewer, repo, known, Decision("accepted"), reviewed_by=None)
        return "accepted"


def cancel(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, org: str | None) -> None:
    """Withdraw one's own request, or an organization's, while it waits. Opens a write unit.

    Raises: what `lookup.find` raises; NotFound unless one waits; Unauthorized, Forbidden.
    """
    with sv.db.write() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        rules.require_writer(viewer)
        asker = _asker(tx, viewer, {forms.ORG_FIELD: org or ""})
        known = rows.find_request(tx, repo.id, asker.id)
        if known is None or not rows.delete_request(tx, known.id, only="pending"):
            raise NotFound("You have no pending access request for this repository.")
        _audit(tx, sv, viewer, repo, "access.cancel", asker)


def list_requests(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    chosen: Chosen,
    cursor: str | None,
    limit: int,
) -> RequestsPage:
    """Return requests, the newest first, for those who may change the repository's settings. Opens a read unit.

    Raises: what `lookup.find` raises; BadRequest for a bad cursor and a repository without a gate.
    """
    after = _read_cursor(cursor)
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
        _require_gate(repo)
        found = rows.list_requests(tx, repo.id, chosen, after=after, limit=limit + 1)
    page = found[:limit]
    more = _write_cursor(page[-1]) if len(found) > limit else None
    return RequestsPage(tuple(page), more)


def handle(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    whose: Whose,
    decision: Decision,
) -> None:
    """Decide on a request. Opens a write unit.

    Raises: what `lookup.find` raises; NotFound for an unknown user, no request, or one that has this status;
    BadRequest. **Source**: huggingface_hub ``_handle_access_request``.
    """
    check_decision(decision)
    with sv.db.write() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
        _require_gate(repo)
        known = _find_request(tx, repo, whose)
        _decide(tx, sv, viewer, repo, known, decision, reviewed_by=viewer.user_id)


def handle_batch(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    users: Sequence[str],
    decision: Decision,
) -> list[Outcome]:
    """Decide on the requests of up to `MAX_BATCH` users, each by itself; returns what came of each.

    Opens a write unit. Raises: what `lookup.find` raises, BadRequest.
    """
    check_decision(decision)
    if not 1 <= len(users) <= MAX_BATCH:
        raise BadRequest(f"'requests' must name 1 to {MAX_BATCH} users.")
    outcomes: list[Outcome] = []
    with sv.db.write() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
        _require_gate(repo)
        for user in users:
            try:
                known = _find_request(tx, repo, Whose(user=user))
                _decide(tx, sv, viewer, repo, known, decision, reviewed_by=viewer.user_id)
            except NotFound as error:
                outcomes.append(Outcome(user, error.message))
            else:
                outcomes.append(Outcome(user, None))
    return outcomes


def grant(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, user: str) -> None:
    """Give access to a user or an organization that need not have asked. Opens a write unit.

    Raises: what `lookup.find` raises; NotFound for nobody's name; BadRequest where access was given before.
    """
    with sv.db.write() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
        _require_gate(repo)
        account = rules.require_account(tx, user)
        known = rows.find_request(tx, repo.id, account.id)
        if known is not None and known.status == "accepted":
            raise BadRequest(f"{account.name} already has access to this repository.")
        if known is not None:
            _decide(tx, sv, viewer, repo, known, Decision("accepted"), reviewed_by=viewer.user_id)
            return
        done = rows.insert_request(
            tx,
            repo=repo.id,
            account=account.id,
            asked_by=None,
            status="accepted",
            fields={},
            at=sv.clock.now(),
            reviewed_by=viewer.user_id,
        )
        made = rows.find_request(tx, repo.id, account.id)
        if not done or made is None:
            raise BadRequest(f"{account.name} already has access to this repository.")
        _audit(tx, sv, viewer, repo, "access.grant", account)
        _tell_decision(tx, sv, viewer, repo, made, status="accepted", reason=None)


def check_decision(decision: Decision) -> None:
    """Raise BadRequest if nobody could decide so."""
    if decision.status not in (*STATUSES, "reset"):
        raise BadRequest("'status' must be 'accepted', 'rejected', 'pending' or 'reset'.")
    if decision.reason is not None:
        if decision.status != "rejected":
            raise BadRequest("A 'rejectionReason' can be given with the status 'rejected' only.")
        if len(decision.reason) > MAX_REASON:
            raise BadRequest(f"The 'rejectionReason' must have at most {MAX_REASON} characters.")


def require_gate(repo: Repo) -> None:
    """Raise BadRequest for a repository without a gate."""
    _require_gate(repo)


def _enter(
    tx: Tx,
    sv: Services,
    viewer: Viewer,
    repo: Repo,
    asker: Account,
    *,
    status: str,
    fields: Mapping[str, object],
) -> str:
    now = sv.clock.now()
    new = rows.insert_request(
        tx,
        repo=repo.id,
        account=asker.id,
        asked_by=viewer.user_id,
        status=status,
        fields=fields,
        at=now,
        reviewed_by=None,
    )
    made = rows.find_request(tx, repo.id, asker.id)
    if made is None:
        raise NotFound("The access request was withdrawn this very moment.")
    if new:
        _audit(tx, sv, viewer, repo, "access.request", asker, status=status)
        events.record(
            tx,
            "access.request",
            at=now,
            actor_id=viewer.user_id,
            owner_id=repo.owner_id,
            repo=repo.snapshot,
            request={"id": made.hex_id, "status": status},
            account=_told(asker),
        )
    return made.status


def _decide(
    tx: Tx,
    sv: Services,
    viewer: Viewer,
    repo: Repo,
    known: AccessRequest,
    decision: Decision,
    *,
    reviewed_by: int | None,
) -> None:
    now = sv.clock.now()
    if decision.status == "reset":
        done = rows.delete_request(tx, known.id)
    else:
        is_open = decision.status == "pending"
        done = rows.update_status(
            tx,
            known.id,
            status=decision.status,
            reason=decision.reason,
            reviewed_by=None if is_open else reviewed_by,
            reviewed_at=None if is_open else now,
            unless=decision.status,
        )
    if not done:
        raise _no_request()
    _audit(tx, sv, viewer, repo, "access.decide", known.account, status=decision.status)
    _tell_decision(tx, sv, viewer, repo, known, status=decision.status, reason=decision.reason)


def _tell_decision(
    tx: Tx,
    sv: Services,
    viewer: Viewer,
    repo: Repo,
    request: AccessRequest,
    *,
    status: str,
    reason: str | None,
) -> None:
    events.record(
        tx,
        "access.decide",
        at=sv.clock.now(),
        actor_id=viewer.user_id,
        owner_id=repo.owner_id,
        repo=repo.snapshot,
        request={"id": request.hex_id, "status": status},
        account=_told(request.account),
        status=status,
        reason=reason,
    )


def _find_request(tx: Tx, repo: Repo, whose: Whose) -> AccessRequest:
    known: AccessRequest | None
    if whose.request_id is not None:
        known = rows.get_request(tx, repo.id, whose.request_id)
    else:
        if whose.user_id is not None:
            account = account_rows.get_account_by_hex_id(tx, whose.user_id)
        elif whose.user is not None:
            account = rules.find_account(tx, whose.user)
        else:
            raise BadRequest("Say whose request is meant: 'user', 'userId' or 'requestId'.")
        if account is None:
            raise NotFound(f"There is no user called {(whose.user or whose.user_id or '')[:96]!r}.")
        known = rows.find_request(tx, repo.id, account.id)
    if known is None:
        raise _no_request()
    return known


def _asker(tx: Tx, viewer: Viewer, answers: Mapping[str, object]) -> Account:
    """Return whom the viewer asks for: the organization that is named, else themselves."""
    name = answers.get(forms.ORG_FIELD)
    if isinstance(name, str) and name.strip():
        org = rules.get_org(tx, name.strip())
        rules.require_org_admin(viewer, org)
        return org
    account = None if viewer.user_id is None else account_rows.get_account_by_id(tx, viewer.user_id)
    if account is None:
        raise Forbidden("Only an account can ask for access, not the administrator at the command line.")
    return account


def _form(tx: Tx, repo: Repo) -> GateForm:
    listed = listing_rows.get_listed(tx, repo.id)
    return forms.read_form(None if listed is None else listed.tip.card)


def _require_gate(repo: Repo) -> None:
    if not repo.gated:
        raise BadRequest(
            f"The {repo.type.value} {repo.repo_id} is not gated: anybody who sees it may read it."
        )


def _no_request() -> HubError:
    return NotFound("No access request found matching your criteria")


def _rejected(known: AccessRequest) -> str:
    why = f" Their reason: {known.reason}" if known.reason else ""
    return f"Your request to access this repo has been rejected by the repo's authors.{why}"


def _told(account: Account) -> Mapping[str, object]:
    return {"id": account.hex_id, "name": account.name, "type": account.kind}


def _audit(
    tx: Tx, sv: Services, viewer: Viewer, repo: Repo, action: str, account: Account, **details: object
) -> None:
    audit.record(
        tx,
        at=sv.clock.now(),
        actor=viewer.name,
        action=action,
        subject=f"{repo.type.value}:{repo.repo_id}",
        owner_id=repo.owner_id,
        account=account.name,
        **details,
    )


def _write_cursor(request: AccessRequest) -> str:
    return f"{(request.requested_at - _EPOCH) // _US}-{request.id}"


def _read_cursor(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    try:
        if found is None or int(found[2]) >= 2**63:
            raise ValueError
        return Place(_EPOCH + int(found[1]) * _US, int(found[2]))
    except (ValueError, OverflowError) as error:
        raise BadRequest(
            "The 'cursor' is not one of this list. Take it from the Link header of the page before."
        ) from error
