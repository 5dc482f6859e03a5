"""Exchanging a workload's identity token for a token of this hub that lives an hour (RFC 8693).

Source: huggingface_hub ``_oidc.py::exchange_oidc_token``; hub-docs ``trusted-publishers``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from openhood.base.errors import InvalidName, OauthRefused
from openhood.base.names import RepoId, RepoType, check_any_account_name
from openhood.domain import audit
from openhood.domain.accounts import credential_rows, oidc_tokens
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.rules import find_account
from openhood.domain.accounts.types import Account, IssuedTokens
from openhood.domain.publishers import rows
from openhood.domain.publishers.actions import Resource, matches_subject, show, trusted_issuers
from openhood.domain.publishers.rows import Place, Publisher
from openhood.domain.repos import rows as repo_rows
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.db.engine import Tx

TOKEN_PREFIX = "hf_jwt_"
TOKEN_LIFE = timedelta(hours=1)
# A CI system gives such a token to one job; one that lives for days was made for something else.
MAX_ASSERTION_LIFE = timedelta(days=1)
ID_TOKEN_TYPES = ("urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt")
_ELSEWHERE = ("kernels", "buckets")
_READING = ("repo.content.read",)
_WRITING = ("discussion.write", "repo.content.read", "repo.write")


def exchange_identity(
    sv: Services, *, subject_token: str, subject_token_type: str, resource: str
) -> IssuedTokens:
    """Return a token for ``resource`` to a workload that its publishers trust. Opens units, asks the issuer between.

    The token acts in the name of who trusted the workload, on that repository or account alone.
    Args: ``resource`` is ``ns/name``, ``datasets/ns/name``, ``spaces/ns/name`` or an account's name.
    Raises: OauthRefused (``invalid_request``, ``invalid_target``, ``invalid_grant``); Unavailable where the issuer
    cannot be asked.
    """
    if subject_token_type not in ID_TOKEN_TYPES:
        raise OauthRefused("invalid_request", "The 'subject_token_type' must be that of an identity token.")
    target = _parse(resource)
    try:
        _header, unproven = oidc_tokens.read_unverified(subject_token)
        issuer = str(unproven.get("iss", ""))
        if issuer not in trusted_issuers(sv):
            raise OauthRefused("invalid_grant", f"This hub does not believe the issuer {issuer[:200]!r}.")
        # Proven before anything is looked up, so that nobody learns by made-up tokens what has publishers.
        claims = oidc_tokens.verify(sv, subject_token, issuer=issuer, audiences=None)
    except oidc_tokens.BadAssertion as error:
        raise OauthRefused("invalid_grant", error.message) from error
    with sv.db.read() as tx:
        place = _find(tx, target)
        publishers = [] if place is None else rows.list_publishers(tx, place, issuer=issuer)
    publisher = next((each for each in publishers if _trusts(each, claims)), None)
    if publisher is None:
        raise _untrusted(target, claims)
    return _issue(sv, target, publisher, claims, subject_token)


def _issue(
    sv: Services, target: Resource, publisher: Publisher, claims: Mapping[str, object], subject_token: str
) -> IssuedTokens:
    now = sv.clock.now()
    expires_at = datetime.fromtimestamp(_seconds(claims, "exp"), UTC)
    if expires_at - datetime.fromtimestamp(_seconds(claims, "iat"), UTC) > MAX_ASSERTION_LIFE:
        raise OauthRefused(
            "invalid_grant", "The identity token lives for more than a day. Ask for a shorter one."
        )
    secret = ids.new_secret(TOKEN_PREFIX)
    with sv.db.write() as tx:
        place = _find(tx, target)
        known = [] if place is None else rows.list_publishers(tx, place, issuer=publisher.issuer)
        if publisher not in known:
            raise _untrusted(target, claims)
        actor = (
            None if publisher.created_by is None else account_rows.get_account_by_id(tx, publisher.created_by)
        )
        if actor is None or not actor.is_active:
            raise OauthRefused(
                "invalid_grant",
                "The account of who trusted this workload is closed. Have somebody else trust it.",
            )
        digest = _digest(claims, subject_token)
        is_new = rows.note_assertion(tx, digest, expires_at=expires_at + timedelta(minutes=5))
        if not is_new and not sv.settings.oauth.reuse_identity_tokens:
            raise OauthRefused(
                "invalid_grant",
                "This identity token was exchanged before: each counts once. Ask your provider for a new one, or the "
                "hub's operator to allow it (OPENHOOD_OAUTH_REUSE_IDENTITY_TOKENS).",
            )
        scopes = _scopes(tx, target, publisher)
        credential_rows.insert_token(
            tx,
            user_id=actor.id,
            display_name=f"ci-{_host(publisher.issuer)}"[:120],
            kind="oidc",
            role="fineGrained",
            scopes=scopes,
            secret=secret,
            at=now,
            expires_at=now + TOKEN_LIFE,
        )
        owner = find_account(tx, target if isinstance(target, str) else target[1].namespace)
        audit.record(
            tx,
            at=now,
            actor=actor.name,
            action="publisher.exchange",
            subject=show(target),
            owner_id=None if owner is None else owner.id,
            publisher=publisher.hex_id,
            issuer=publisher.issuer,
            workload=str(claims["sub"])[:500],
        )
    scope = "write-repos" if publisher.role == "write" else "gated-repos read-repos"
    return IssuedTokens(secret, None, int(TOKEN_LIFE.total_seconds()), scope)


def _scopes(tx: Tx, target: Resource, publisher: Publisher) -> dict[str, object]:
    permissions = list(_WRITING if publisher.role == "write" else _READING)
    if isinstance(target, str):
        account = find_account(tx, target)
        assert account is not None  # its publisher was just found
        entity = _account_entity(account)
    else:
        entity = {"type": target[0].value, "name": str(target[1])}
    return {
        "global": [],
        "scoped": [{"entity": entity, "permissions": permissions}],
        # A job that may read everything of an account reads what the account was let in to as well.
        "canReadGatedRepos": isinstance(target, str),
    }


def _account_entity(account: Account) -> dict[str, str]:
    return {"_id": account.hex_id, "type": account.kind, "name": account.name}


def _trusts(publisher: Publisher, claims: Mapping[str, object]) -> bool:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if publisher.audience not in named or not matches_subject(publisher.subject, str(claims["sub"])):
        return False
    return all(_says(claims.get(name), value) for name, value in publisher.claims.items())


def _says(found: object, wanted: str) -> bool:
    if isinstance(found, bool):
        return wanted == ("true" if found else "false")
    text = str(found) if isinstance(found, str | int) else ""
    return hmac.compare_digest(text.encode(), wanted.encode())


def _untrusted(target: Resource, claims: Mapping[str, object]) -> OauthRefused:
    # The same for what does not exist, so that nobody learns what does.
    return OauthRefused(
        "invalid_grant",
        f"{show(target)} has no trusted publisher for the subject {str(claims.get('sub'))[:200]!r} of "
        f"{str(claims.get('iss'))[:200]}, with this audience and these claims. Whoever administrates it can add one.",
    )


def _parse(resource: str) -> Resource:
    parts = resource.strip("/").split("/")
    try:
        if len(parts) == 1:
            return check_any_account_name(parts[0])
        if len(parts) == 3 and parts[0] in _ELSEWHERE:
            raise OauthRefused(
                "invalid_target", f"This hub holds models, datasets and spaces, not {parts[0]}."
            )
        kind = RepoType.from_plural(parts[0]) if len(parts) == 3 else RepoType.MODEL
        if kind is not None and len(parts) in (2, 3):
            return kind, RepoId.parse("/".join(parts[-2:]))
    except InvalidName as error:
        raise OauthRefused("invalid_target", error.message) from error
    raise OauthRefused(
        "invalid_target",
        "The 'resource' must be 'namespace/name', 'datasets/namespace/name', 'spaces/namespace/name' or an account.",
    )


def _find(tx: Tx, target: Resource) -> Place | None:
    if isinstance(target, str):
        account = find_account(tx, target)
        return None if account is None else Place(account_id=account.id)
    repo = repo_rows.get_repo(tx, *target)
    return None if repo is None else Place(repo_id=repo.id)


def _digest(claims: Mapping[str, object], token: str) -> str:
    """Return what an identity token is known by: its own number, or all that is signed.

    The signature does not count: the same one can be written in two ways.
    """
    jti = claims.get("jti")
    text = f"{claims['iss']}\0{jti}" if isinstance(jti, str) and jti else token.rpartition(".")[0]
    return hashlib.sha256(text.encode()).hexdigest()


def _seconds(claims: Mapping[str, object], name: str) -> float:
    value = claims[name]
    assert isinstance(value, int | float)  # `oidc_tokens.verify` saw to it
    return min(float(value), 32_503_680_000.0)


def _host(issuer: str) -> str:
    return urlsplit(issuer).netloc.replace("[", "").replace("]", "")
