"""Bringing users, tokens, organizations and members to what a provision file says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from openhood.base.errors import BadRequest, Conflict, NotFound
from openhood.domain.access import SYSTEM, OrgRole
from openhood.domain.accounts import actions, credential_rows, rows, tokens
from openhood.domain.accounts.rules import check_email, check_fullname
from openhood.domain.accounts.types import Account, TokenInfo
from openhood.domain.provision.document import OrgEntry, TokenEntry, UserEntry
from openhood.domain.provision.items import Item, at, outcome_of
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.passwords import verify_password


def apply_user(sv: Services, entry: UserEntry, *, place: str, base: Path, dry: bool) -> Iterator[Item]:
    """Bring one user and the user's tokens there. Raises ProvisionFailed."""
    with at(place):
        password = entry.password
        if entry.password_file is not None:
            password = read_secret(base / entry.password_file)
        with sv.db.read() as tx:
            before = rows.get_account(tx, entry.name)
        if before is not None and before.is_org:
            raise Conflict(f"{before.name} is an organization.")
        if before is None:
            yield _create_user(sv, entry, password, dry=dry)
        else:
            changed = _update_user(sv, before, entry, password, dry=dry)
            yield Item("user", before.name, outcome_of(changed), ", ".join(changed))
    is_locked_out = before is not None and not before.is_active and entry.disabled is not False
    for number, token in enumerate(entry.tokens):
        with at(f"{place}.tokens[{number}]"):
            if is_locked_out:
                yield Item("token", f"{entry.name}/{token.name}", "unchanged", "the user is disabled")
            else:
                yield _apply_token(sv, entry.name, token, base=base, dry=dry)
    if before is None and entry.disabled and not dry:
        with at(place):
            actions.set_active(sv, SYSTEM, user=entry.name, is_active=False)


def apply_org(
    sv: Services, entry: OrgEntry, *, place: str, expected: Collection[str], dry: bool
) -> Iterator[Item]:
    """Bring one organization and its members there. Raises ProvisionFailed.

    Args: ``expected`` are the case-folded names of accounts that the file itself creates.
    """
    with at(place):
        with sv.db.read() as tx:
            before = rows.get_account(tx, entry.name)
        if before is not None and not before.is_org:
            raise Conflict(f"{before.name} is a user.")
        if before is None:
            if not dry:
                actions.create_org(
                    sv,
                    SYSTEM,
                    name=entry.name,
                    fullname=entry.fullname or "",
                    default_visibility=entry.default_visibility,
                    lenient_name=True,
                )
                actions.update_settings(
                    sv, SYSTEM, name=entry.name, details=entry.details, avatar_url=entry.avatar_url
                )
            yield Item("organization", entry.name, "created")
        else:
            changes = _settings_to_change(before, entry)
            if changes and not dry:
                actions.update_settings(sv, SYSTEM, name=entry.name, **changes)  # type: ignore[arg-type]  # by name
            yield Item("organization", before.name, outcome_of(sorted(changes)), ", ".join(sorted(changes)))
    for user, label in entry.members.items():
        with at(f"{place}.members.{user}"):
            yield _apply_member(sv, entry.name, user, label, expected=expected, dry=dry)


def read_secret(path: Path) -> str:
    """Return the first line of a file that holds a secret. Raises BadRequest."""
    try:
        return path.read_text(encoding="utf-8").split("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"Cannot read the secret in {path}: {error}") from error


def _create_user(sv: Services, entry: UserEntry, password: str | None, *, dry: bool) -> Item:
    if not dry:
        actions.create_user(
            sv,
            SYSTEM,
            name=entry.name,
            password=password,
            email=entry.email,
            fullname=entry.fullname or "",
            is_admin=bool(entry.admin),
            lenient_name=True,
        )
        actions.update_settings(
            sv,
            SYSTEM,
            name=entry.name,
            details=entry.details,
            avatar_url=entry.avatar_url,
            default_visibility=entry.default_visibility,
            settings=entry.settings or None,
        )
    return Item("user", entry.name, "created")


def _update_user(
    sv: Services, before: Account, entry: UserEntry, password: str | None, *, dry: bool
) -> list[str]:
    """Change what differs; returns the names of what was changed."""
    changed: list[str] = []
    if entry.disabled is False and not before.is_active:
        changed.append("disabled")
        if not dry:
            actions.set_active(sv, SYSTEM, user=before.name, is_active=True)
    elif not before.is_active:
        return changed  # a user who is locked out has nothing that could be changed
    changes = _settings_to_change(before, entry)
    changed += sorted(changes)
    if changes and not dry:
        actions.update_settings(sv, SYSTEM, name=before.name, **changes)  # type: ignore[arg-type]  # by name
    with sv.db.read() as tx:
        stored = rows.get_password_hash(tx, before.id)
    if password is not None and not verify_password(stored, password):
        changed.append("password")
        if not dry:
            actions.set_password(sv, SYSTEM, user=before.name, password=password)
    if entry.admin is not None and entry.admin != before.is_admin:
        changed.append("admin")
        if not dry:
            actions.set_admin(sv, SYSTEM, user=before.name, is_admin=entry.admin)
    if entry.disabled and before.is_active:
        changed.append("disabled")
        if not dry:
            actions.set_active(sv, SYSTEM, user=before.name, is_active=False)
    return changed


def _settings_to_change(before: Account, entry: UserEntry | OrgEntry) -> dict[str, object]:
    """Return the arguments of `update_settings` that would change something."""
    wanted: dict[str, object | None] = {
        "fullname": None if entry.fullname is None else check_fullname(entry.fullname),
        "details": None if entry.details is None else " ".join(entry.details.split()),
        "avatar_url": entry.avatar_url,
        "default_visibility": entry.default_visibility,
    }
    if isinstance(entry, UserEntry) and entry.email is not None:
        wanted["email"] = check_email(entry.email) or ""
    changes = {
        name: value
        for name, value in wanted.items()
        if value is not None and value != (getattr(before, name) or "")
    }
    if isinstance(entry, UserEntry):
        settings = {
            name: value for name, value in entry.settings.items() if _differs(before.settings, name, value)
        }
        if settings:
            changes["settings"] = settings
    return changes


def _differs(settings: Mapping[str, object], name: str, value: object) -> bool:
    return name not in settings or settings[name] != value


def _apply_token(sv: Services, user: str, entry: TokenEntry, *, base: Path, dry: bool) -> Item:
    name = f"{user}/{entry.name}"
    value = read_secret(base / entry.value_file) if entry.value_file is not None else entry.value
    before = _find_token(sv, user, entry, value)
    if before is not None and _is_as_wanted(before, user, entry):
        return Item("token", name, "unchanged")
    if before is not None and value is None:
        raise Conflict(
            f"{user} has a token called {entry.name!r} that is different. Give its 'value', or revoke it first."
        )
    made = None
    if not dry:
        _info, secret = actions.create_token(
            sv,
            SYSTEM,
            user=user,
            display_name=entry.name,
            role=entry.role,
            scopes=entry.scopes,
            expires_at=entry.expires,
            value=value,
        )
        made = secret if value is None else None
    return Item("token", name, "created" if before is None else "updated", secret=made)


def _find_token(sv: Services, user: str, entry: TokenEntry, value: str | None) -> TokenInfo | None:
    with sv.db.read() as tx:
        if value is not None:
            return credential_rows.get_token_by_hash(tx, ids.hash_secret(value))
        owner = rows.get_account(tx, user)
        known = [] if owner is None else credential_rows.list_tokens(tx, owner.id)
    return next((each for each in known if each.display_name == entry.name.strip()), None)


def _is_as_wanted(before: TokenInfo, user: str, entry: TokenEntry) -> bool:
    scopes = tokens.check_scopes(entry.scopes) if entry.role == "fineGrained" else None
    return (
        before.user_name.lower() == user.lower()
        and before.display_name == entry.name.strip()
        and before.role == entry.role
        and before.expires_at == entry.expires
        and tokens.read_grants(before.scopes) == tokens.read_grants(scopes)
    )


def _apply_member(
    sv: Services, org: str, user: str, label: str | None, *, expected: Collection[str], dry: bool
) -> Item:
    role = None if label is None else OrgRole.from_label(label)
    with sv.db.read() as tx:
        organization, member = rows.get_account(tx, org), rows.get_account(tx, user)
        before = (
            None
            if organization is None or member is None
            else rows.get_role(tx, org_id=organization.id, user_id=member.id)
        )
    if member is None and user.lower() not in expected:
        raise NotFound(
            f"There is no user called {user!r}. Add the user to the file, or create the user first."
        )
    name = f"{org}/{user}"
    if before is role:
        return Item("member", name, "unchanged")
    if not dry:
        actions.set_member(sv, SYSTEM, org=org, user=user, role=role)
    if role is None:
        return Item("member", name, "deleted")
    return Item("member", name, "created" if before is None else "updated", role.label)
