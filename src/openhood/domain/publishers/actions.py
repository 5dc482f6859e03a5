"""Saying which workloads are trusted with a repository or an account, by people who administrate it.

What the workloads then do is in `exchange`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from openhood.base.errors import BadRequest, Conflict, Forbidden, NotFound
from openhood.base.names import RepoId, RepoType
from openhood.domain import audit
from openhood.domain.access import Need, Viewer
from openhood.domain.accounts.rules import find_account, require_self, require_writer
from openhood.domain.publishers import rows
from openhood.domain.publishers.rows import Place, Publisher, Role
from openhood.domain.repos import lookup
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_PUBLISHERS = 50
MAX_CLAIMS = 20
MAX_TEXT = 500
Resource = tuple[RepoType, RepoId] | str
"""A repository, or the name of a user or an organization."""


def list_publishers(sv: Services, viewer: Viewer, *, resource: Resource) -> list[Publisher]:
    """Return the publishers of a repository or account. Opens a read unit.

    Raises: what `lookup.find` raises, NotFound, Unauthorized, Forbidden.
    """
    with sv.db.read() as tx:
        place, _owner_id = _administrate(tx, viewer, resource)
        return rows.list_publishers(tx, place)


def add_publisher(
    sv: Services,
    viewer: Viewer,
    *,
    resource: Resource,
    issuer: str,
    subject: str,
    audience: str,
    claims: Mapping[str, str],
    role: Role,
) -> Publisher:
    """Trust a workload; it acts in the viewer's name. Opens a write unit.

    Args: ``subject`` is the token's ``sub``, a ``*`` inside stands for anything but ``/`` and ``:``, one at the end
    for anything; ``audience`` is what tokens must be meant for; ``claims`` are others that must be equal.
    Raises: what `lookup.find` raises, NotFound, Unauthorized, Forbidden, BadRequest, Conflict for too many.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        place, owner_id = _administrate(tx, viewer, resource)
        _check_issuer(sv, issuer)
        _check_subject(subject)
        _check_claims(claims)
        if not audience or len(audience) > MAX_TEXT:
            raise BadRequest(f"The audience must have 1 to {MAX_TEXT} characters.")
        if viewer.user_id is None:
            raise Forbidden("A publisher acts in somebody's name: sign in as a person.")
        if rows.count_publishers(tx, place) >= MAX_PUBLISHERS:
            raise Conflict(f"There are {MAX_PUBLISHERS} trusted publishers already. Delete one first.")
        publisher = rows.insert_publisher(
            tx,
            place,
            issuer=issuer,
            subject=subject,
            audience=audience,
            claims=claims,
            role=role,
            created_by=viewer.user_id,
            at=now,
        )
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="publisher.create",
            subject=show(resource),
            owner_id=owner_id,
            publisher=publisher.hex_id,
            issuer=issuer,
            workload=subject,
            role=role,
        )
    return publisher


def remove_publisher(sv: Services, viewer: Viewer, *, resource: Resource, publisher: str) -> None:
    """Trust a workload no more; tokens it has live on for an hour at most. Opens a write unit.

    Raises: what `lookup.find` raises, NotFound, Unauthorized, Forbidden.
    """
    with sv.db.write() as tx:
        place, owner_id = _administrate(tx, viewer, resource)
        gone = rows.delete_publisher(tx, place, publisher)
        if gone is None:
            raise NotFound("There is no such trusted publisher.")
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="publisher.delete",
            subject=show(resource),
            owner_id=owner_id,
            publisher=gone.hex_id,
            issuer=gone.issuer,
            workload=gone.subject,
        )


def show(resource: Resource) -> str:
    """Return a resource as people and programs write it."""
    return resource if isinstance(resource, str) else f"{resource[0].web_prefix}{resource[1]}"


def matches_subject(pattern: str, subject: str) -> bool:
    """Tell whether a workload's subject is what a publisher's pattern says. Pure."""
    tail = pattern.endswith("*")
    parts = (pattern.removesuffix("*") if tail else pattern).split("*")
    expression = "[^/:]*".join(re.escape(part) for part in parts) + (".*" if tail else "")
    return re.fullmatch(expression, subject, re.DOTALL) is not None


def trusted_issuers(sv: Services) -> tuple[str, ...]:
    """Return the issuers whose identity tokens this hub believes at all."""
    return tuple(each.strip() for each in sv.settings.oauth.trusted_issuers.split(",") if each.strip())


def _administrate(tx: Tx, viewer: Viewer, resource: Resource) -> tuple[Place, int]:
    """Return where the publishers of a resource are, and its owner, for whoever administrates it."""
    if isinstance(resource, str):
        require_writer(viewer)
        account = find_account(tx, resource)
        if account is None:
            raise NotFound(f"There is no user or organization called {resource[:96]!r}.")
        require_self(viewer, account)
        return Place(account_id=account.id), account.id
    repo = lookup.find(tx, viewer, *resource, need=Need.ADMIN)
    # A workload's own token must not let further workloads in.
    require_writer(viewer)
    return Place(repo_id=repo.id), repo.owner_id


def _check_issuer(sv: Services, issuer: str) -> None:
    known = trusted_issuers(sv)
    if issuer not in known:
        raise BadRequest(
            f"This hub does not believe the issuer {issuer[:200]!r}. Believed are: {', '.join(known) or 'none'}. Its "
            "operator can add to them (OPENHOOD_OAUTH_TRUSTED_ISSUERS)."
        )


def _check_subject(subject: str) -> None:
    head, star, _rest = subject.partition("*")
    if not subject or len(subject) > MAX_TEXT or not subject.isprintable():
        raise BadRequest(f"The subject must have 1 to {MAX_TEXT} printable characters.")
    if star and len(head) < 4:
        raise BadRequest("The subject must begin with at least 4 characters before its first '*'.")
    if subject.endswith("*") and subject[-2] not in "/:":
        raise BadRequest(
            "A '*' at the end of the subject must follow '/' or ':', or it would match other names too."
        )


def _check_claims(claims: Mapping[str, str]) -> None:
    if len(claims) > MAX_CLAIMS:
        raise BadRequest(f"At most {MAX_CLAIMS} further claims can be asked for.")
    for name, value in claims.items():
        if not 0 < len(name) <= 100 or not 0 < len(value) <= MAX_TEXT:
            raise BadRequest(f"A claim's name must have 1 to 100 characters and its value 1 to {MAX_TEXT}.")
