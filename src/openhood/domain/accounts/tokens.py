"""Access tokens: creating, listing and revoking them, and what fine-grained ones may say.

Turning a token into a `Viewer` is in `sign_in`; OAuth tokens are issued in `oauth`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from openhood.base.errors import BadRequest, Conflict, Forbidden, HubError, NotFound
from openhood.base.names import RepoId, check_any_account_name
from openhood.domain import audit
from openhood.domain.access import OrgRole, ScopedGrant, Viewer
from openhood.domain.accounts import credential_rows, policies, rows
from openhood.domain.accounts.rules import get_user, require_person, require_writer
from openhood.domain.accounts.types import Account, TokenInfo
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.db.engine import Tx

TOKEN_PREFIX = "hf_"
MAX_SECRETS_TO_REVOKE = 1000
MAX_SCOPED = 200

Role = Literal["read", "write", "fineGrained"]
ROLES: tuple[Role, ...] = ("read", "write", "fineGrained")

# The Hub's names (hub-docs `security-tokens`, the token form of the Hub's settings). This hub checks the
# first group; the others are accepted so that a token's definition can be moved here unchanged.
PERMISSIONS = frozenset(
    (
        "repo.content.read",
        "repo.write",
        "discussion.write",
        "org.write",
        "repo.access.read",
        "collection.read",
        "collection.write",
        "post.write",
        "inference.serverless.write",
        "inference.endpoints.infer.write",
        "inference.endpoints.write",
        "job.write",
        "org.read",
        "org.auditLog.read",
        "org.networkSecurity.read",
        "org.networkSecurity.write",
        "org.repos.storage.read",
        "org.serviceAccounts.read",
        "org.serviceAccounts.write",
        "org.webhooks.read",
        "org.webhooks.write",
        "resourceGroup.write",
        "user.billing.read",
        "user.mcp.read",
        "user.mcp.write",
        "user.webhooks.read",
        "user.webhooks.write",
    )
)
ENTITY_TYPES = ("user", "org", "model", "dataset", "space")


def create_token(
    sv: Services,
    viewer: Viewer,
    *,
    user: str,
    display_name: str,
    role: str,
    scopes: Mapping[str, object] | None = None,
    expires_at: datetime | None = None,
    value: str | None = None,
) -> tuple[TokenInfo, str]:
    """Create an access token of ``user`` and return it with its secret, which is stored nowhere.

    Opens a write unit. People create their own, administrators anybody's, those of an organization also the ones of
    its service accounts. A token cannot create one that outlives
    it. ``value`` gives the secret (administrators only): where ``user`` has a token with it already, that one is
    changed to what is asked, so that a declaration can be applied twice.

    Raises: NotFound, Unauthorized, Forbidden (also where an organization's policy refuses such a token),
    BadRequest, Conflict for a value of somebody else's.
    """
    require_person(viewer)
    _check_lifetime(sv, viewer, expires_at)
    if value is not None:
        _check_value(viewer, value)
    checked_role = check_role(role)
    name = check_display_name(display_name)
    grants = check_scopes(scopes) if checked_role == "fineGrained" else None
    if grants is None and scopes is not None:
        raise BadRequest("Only a token with the role 'fineGrained' has scopes.")
    secret = value or ids.new_secret(TOKEN_PREFIX)
    now = sv.clock.now()
    with sv.db.write() as tx:
        owner = get_user(tx, user)
        if not _may_make_for(viewer, owner):
            raise Forbidden("You may create tokens for yourself only.")
        asked: list[Account] = []
        if grants is not None:
            grants = _with_hex_ids(tx, grants)
            asked = policies.check_new_token(tx, owner, grants, expires_at=expires_at, now=now)
        known = credential_rows.get_token_by_hash(tx, ids.hash_secret(secret))
        if known is None:
            token_id = credential_rows.insert_token(
                tx,
                user_id=owner.id,
                display_name=name,
                kind="access",
                role=checked_role,
                scopes=grants,
                secret=secret,
                at=now,
                expires_at=expires_at,
            )
        else:
            if known.user_name != owner.name or known.kind != "access":
                raise Conflict("A token with this value belongs to somebody else. Choose another value.")
            token_id = known.id
            credential_rows.update_token(
                tx, token_id, display_name=name, role=checked_role, scopes=grants, expires_at=expires_at
            )
        info = credential_rows.get_token(tx, token_id)
        if info is None:
            raise NotFound("The token is gone.")
        is_changed = known is not None and known.scopes != info.scopes
        policies.ask(tx, viewer, token_id, asked, is_changed=is_changed, now=now)
        if info != known:
            audit.record(
                tx,
                at=now,
                actor=viewer.name,
                action="token.create" if known is None else "token.update",
                subject=owner.name,
                owner_id=owner.org_id or owner.id,
                token=info.hex_id,
                display_name=name,
                role=checked_role,
            )
    return info, secret


def list_tokens(sv: Services, viewer: Viewer, *, user: str) -> list[TokenInfo]:
    """Return a user's tokens, the newest first, without their secrets. Opens a read unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    require_person(viewer)
    with sv.db.read() as tx:
        owner = get_user(tx, user)
        if owner.id != viewer.user_id and not viewer.is_admin:
            raise Forbidden("You may see your own tokens only.")
        return credential_rows.list_tokens(tx, owner.id)


def revoke_token(sv: Services, viewer: Viewer, *, token: str) -> None:
    """Revoke the token with this object id; an OAuth token takes its whole sign-in with it.

    Opens a write unit. Raises: Unauthorized, Forbidden, NotFound also for other people's.
    """
    require_writer(viewer)
    with sv.db.write() as tx:
        info = credential_rows.get_token_by_hex_id(tx, token)
        if info is None or not _may_revoke(tx, viewer, info):
            raise NotFound("You have no such token.")
        _revoke(tx, info, at=sv.clock.now(), actor=viewer.name)


def revoke_secrets(sv: Services, viewer: Viewer, *, secrets: Sequence[str]) -> int:
    """Revoke every token in ``secrets``, whoever asks: holding a secret is proof enough that it leaked.

    Opens a write unit where something is to be revoked. Returns how many were. Raises: BadRequest for too many.
    """
    if len(secrets) > MAX_SECRETS_TO_REVOKE:
        raise BadRequest(f"At most {MAX_SECRETS_TO_REVOKE} credentials can be revoked at once.")
    hashes = {ids.hash_secret(secret) for secret in secrets}
    with sv.db.read() as tx:
        known = [each for each in hashes if credential_rows.get_token_by_hash(tx, each) is not None]
    if not known:
        return 0
    revoked = 0
    with sv.db.write() as tx:
        for each in known:
            info = credential_rows.get_token_by_hash(tx, each)
            if info is not None:
                _revoke(tx, info, at=sv.clock.now(), actor=viewer.name or "anonymous")
                revoked += 1
    return revoked


def token_of_viewer(tx: Tx, viewer: Viewer) -> TokenInfo | None:
    """Return the token the viewer acts with; in the caller's unit."""
    return None if viewer.token is None else credential_rows.get_token(tx, viewer.token.id)


def flush_uses(sv: Services) -> int:
    """Write down which tokens were used since the last time; returns how many. Opens a write unit.

    The server calls it every minute and when it stops: a request never waits for it.
    """
    uses = sv.token_uses.drain()
    if not uses:
        return 0
    try:
        with sv.db.write() as tx:
            credential_rows.write_uses(tx, uses)
    except HubError:
        for token_id, at in uses.items():
            sv.token_uses.note(token_id, at)
        raise
    return len(uses)


def check_role(role: str) -> Role:
    """Return a token's role. Raises BadRequest."""
    for known in ROLES:
        if role == known:
            return known
    raise BadRequest(f"Unknown token role {role[:40]!r}. Allowed: {', '.join(ROLES)}.")


def check_display_name(name: str) -> str:
    """Return a token's name on one line. Raises BadRequest.

    Source: huggingface_hub keeps tokens in an INI file whose sections have these names
    (``utils/_auth.py::_save_token``), so a ``]`` or a line break would break the file.
    """
    line = name.strip()
    if not line or len(line) > 120 or not line.isprintable() or "]" in line or "[" in line:
        raise BadRequest("A token's name must have 1 to 120 printable characters, without brackets.")
    return line


def check_scopes(scopes: Mapping[str, object] | None) -> dict[str, object]:
    """Return a fine-grained token's scopes in the Hub's form. Raises BadRequest.

    ``{"global": [permission], "scoped": [{"entity": {"type", "name"}, "permissions": [permission]}],
    "canReadGatedRepos": bool}``; each key may be missing. Source: ``auth.accessToken.fineGrained`` of whoami.
    """
    given = dict(scopes or {})
    unknown = set(given) - {"global", "scoped", "canReadGatedRepos"}
    if unknown:
        raise BadRequest(f"Unknown keys in the token's scopes: {', '.join(sorted(map(str, unknown)))[:200]}.")
    can_read_gated = given.get("canReadGatedRepos", False)
    scoped = given.get("scoped") or []
    if not isinstance(can_read_gated, bool):
        raise BadRequest("'canReadGatedRepos' must be true or false.")
    if not isinstance(scoped, list) or len(scoped) > MAX_SCOPED:
        raise BadRequest(f"'scoped' must be a list of at most {MAX_SCOPED} entries.")
    return {
        "global": _check_permissions(given.get("global") or []),
        "scoped": [_check_scoped(each) for each in scoped],
        "canReadGatedRepos": can_read_gated,
    }


def read_grants(scopes: Mapping[str, object] | None) -> tuple[frozenset[str], tuple[ScopedGrant, ...], bool]:
    """Return stored scopes as the permission check wants them: global, scoped, whether gates may be passed."""
    if not scopes:
        return frozenset(), (), False
    scoped: list[ScopedGrant] = []
    for each in scopes["scoped"]:  # type: ignore[attr-defined]  # stored by `check_scopes`
        entity = each["entity"]
        scoped.append(ScopedGrant(entity["type"], entity["name"].lower(), frozenset(each["permissions"])))
    everywhere = frozenset(scopes["global"])  # type: ignore[call-overload]  # stored by `check_scopes`
    return everywhere, tuple(scoped), bool(scopes.get("canReadGatedRepos"))


def _check_permissions(given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise BadRequest("Permissions must be a list of names.")
    for each in given:
        if each not in PERMISSIONS:
            raise BadRequest(f"Unknown permission {each[:60]!r}. Allowed: {', '.join(sorted(PERMISSIONS))}.")
    return sorted(set(given))


def _check_scoped(given: object) -> dict[str, object]:
    entity = given.get("entity") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(entity, dict):
        raise BadRequest("Each entry of 'scoped' must have an 'entity' and 'permissions'.")
    kind, name = entity.get("type"), entity.get("name")
    if kind not in ENTITY_TYPES or not isinstance(name, str):
        raise BadRequest(f"An entity must have a 'name' and a 'type' of: {', '.join(ENTITY_TYPES)}.")
    if kind in ("user", "org"):
        check_any_account_name(name)
    else:
        RepoId.parse(name)
    return {
        "entity": {"type": kind, "name": name},
        "permissions": _check_permissions(given.get("permissions") or []),
    }


def _with_hex_ids(tx: Tx, scopes: dict[str, object]) -> dict[str, object]:
    scoped: list[dict[str, dict[str, str]]] = scopes["scoped"]  # type: ignore[assignment]  # by `check_scopes`
    names = [each["entity"]["name"] for each in scoped if each["entity"]["type"] in ("user", "org")]
    known = rows.list_hex_ids(tx, names)
    for each in scoped:
        hex_id = known.get(each["entity"]["name"].lower())
        if hex_id is not None:
            each["entity"] = {"_id": hex_id, **each["entity"]}
    return scopes


def _check_lifetime(sv: Services, viewer: Viewer, expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= sv.clock.now() and viewer.user_id is not None:
        raise BadRequest("The token would have expired already.")
    token = viewer.token
    if token is None:
        return
    if token.expires_at is not None and (expires_at is None or expires_at > token.expires_at):
        raise Forbidden(
            "A token cannot create one that outlives it. Create tokens in the browser, or pass an earlier 'expiresAt'."
        )


def _check_value(viewer: Viewer, value: str) -> None:
    if not viewer.is_admin:
        raise Forbidden("Only an administrator may choose a token's value.")
    printable = value.isascii() and value.isprintable() and " " not in value
    if not value.startswith(TOKEN_PREFIX) or not printable or not 6 <= len(value) <= 200:
        raise BadRequest("A token's value must be 'hf_' and at least three more printable ASCII characters.")


def _may_revoke(tx: Tx, viewer: Viewer, info: TokenInfo) -> bool:
    if viewer.is_admin:
        return True
    owner = rows.get_account(tx, info.user_name)
    return owner is not None and _may_make_for(viewer, owner)


def _may_make_for(viewer: Viewer, owner: Account) -> bool:
    if viewer.is_admin:
        return True
    if owner.org_id is not None:
        return viewer.role_in(owner.org_id) is OrgRole.ADMIN
    return owner.id == viewer.user_id


def _revoke(tx: Tx, info: TokenInfo, *, at: datetime, actor: str) -> None:
    owner = rows.get_account(tx, info.user_name)
    family = credential_rows.delete_token(tx, info.id)
    if family is not None:
        credential_rows.delete_family(tx, family)
    audit.record(
        tx,
        at=at,
        actor=actor,
        action="token.revoke",
        subject=info.user_name,
        owner_id=None if owner is None else owner.org_id or owner.id,
        token=info.hex_id,
        display_name=info.display_name,
    )
