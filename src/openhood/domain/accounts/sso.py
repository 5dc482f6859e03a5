"""Signing people in through another OpenID Connect provider, and what its groups make of them here.

The authorization-code flow with PKCE, ``state`` and ``nonce``, as a client. This hub as a provider is in `oauth_codes`.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from openhood.base.errors import Forbidden, InvalidName, NotFound
from openhood.base.names import check_account_name
from openhood.base.settings import Sso
from openhood.domain import audit, events, links
from openhood.domain.access import OrgRole
from openhood.domain.accounts import oidc_tokens, redirect_rows, rows, second_factor, sso_rows
from openhood.domain.accounts.actions import add_user
from openhood.domain.accounts.rules import check_email
from openhood.domain.accounts.sign_in import begin_session
from openhood.domain.accounts.sso_rows import Identity
from openhood.domain.accounts.types import Account, SessionSecret
from openhood.domain.services import Services
from openhood.infra import issuers
from openhood.infra.db.engine import Tx

PURPOSE = "sso sign-in"
FLOW_LIFE_S = 600
MAX_NEXT = 2000
MAX_GROUPS = 500


class SsoRefused(Forbidden):
    """The provider's answer does not sign anybody in here."""


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of a sign-in: where to send the browser, and what it must bring back in a cookie."""

    location: str
    cookie: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that the provider confirmed, and the path to go on to.

    ``session`` None: this hub asks for a second factor as well, and ``step_pass`` leads to it.
    """

    session: SessionSecret | None
    step_pass: str | None
    next_path: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the provider describes them; ``email`` only where the provider verified it."""

    subject: str
    username: str
    fullname: str
    email: str | None
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupRole:
    """A rule of the settings: members of ``group`` have ``role`` in the organization ``org``."""

    group: str
    org: str
    role: OrgRole


# --- the way there and back ------------------------------------------------------------------------------


def start(sv: Services, *, provider: str, next_path: str, callback: str) -> Start:
    """Begin a sign-in. Asks the provider for its addresses, so it must run outside of units.

    Args: ``next_path`` is where to go afterwards, ``callback`` this hub's whole address for the answer.
    Raises: NotFound where no such provider is set up, Unavailable where it cannot be asked.
    """
    # Loaded with the first sign-in: it brings cryptography along.
    from authlib.common.urls import add_params_to_uri
    from authlib.oauth2.rfc7636.challenge import create_s256_code_challenge

    policy = _settings(sv, provider)
    verifier = secrets.token_urlsafe(48)
    state, nonce = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    address = _endpoint(sv, policy, "authorization_endpoint")
    location = add_params_to_uri(
        address,
        [
            ("client_id", policy.client_id),
            ("response_type", "code"),
            ("redirect_uri", callback),
            ("scope", policy.scopes),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", create_s256_code_challenge(verifier)),
            ("code_challenge_method", "S256"),
        ],
    )
    facts = {
        "provider": provider,
        "state": state,
        "nonce": nonce,
        "verifier": verifier,
        "callback": callback,
        "next": next_path if len(next_path) <= MAX_NEXT else "/",
    }
    return Start(location, links.make_token(sv, purpose=PURPOSE, facts=facts, lifetime_s=FLOW_LIFE_S))


def finish(
    sv: Services, *, provider: str, cookie: str, answer: Mapping[str, str], user_agent: str
) -> SignedIn:
    """Take the provider's answer and begin a session. Asks the provider; opens a write unit.

    Args: ``answer`` is the query of the callback, ``cookie`` what `start` gave the same browser.
    Raises: NotFound, SsoRefused, Unavailable.
    """
    policy = _settings(sv, provider)
    try:
        flow = links.check_token(sv, cookie, purpose=PURPOSE)
    except links.BadLink as error:
        raise SsoRefused(
            "This sign-in was not begun in this browser, or too long ago. Start again."
        ) from error
    state = answer.get("state", "")
    if flow["provider"] != provider or not hmac.compare_digest(str(flow["state"]).encode(), state.encode()):
        raise SsoRefused("The answer belongs to another sign-in. Start again.")
    # An answer that another provider gave must not be taken to this one. Source: RFC 9207.
    if answer.get("iss", policy.issuer) != policy.issuer:
        raise SsoRefused("The answer comes from another provider. Start again.")
    if "error" in answer or not answer.get("code"):
        said = answer.get("error_description") or answer.get("error") or "no code"
        raise SsoRefused(f"{policy.label} did not sign you in: {said[:200]}.")
    claims = _redeem(sv, policy, answer["code"], flow)
    person = _describe(policy, claims)
    session, step_pass = _sign_in(sv, policy, person, user_agent=user_agent)
    return SignedIn(session, step_pass, str(flow["next"]))


def _redeem(sv: Services, policy: Sso, code: str, flow: Mapping[str, str | int]) -> Mapping[str, object]:
    """Return everything the provider says of the person: the identity token's claims and the user info's."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": str(flow["callback"]),
        "code_verifier": str(flow["verifier"]),
    }
    headers: dict[str, str] = {}
    if policy.client_secret is None:
        form["client_id"] = policy.client_id
    elif _takes_basic(sv, policy):
        pair = f"{quote(policy.client_id, safe='')}:{quote(policy.client_secret.get_secret_value(), safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": policy.client_id, "client_secret": policy.client_secret.get_secret_value()}
    calls = oidc_tokens.policy_of(sv, policy.issuer)
    status, issued = issuers.post_form(
        _endpoint(sv, policy, "token_endpoint"), form, policy=calls, headers=headers
    )
    token, access = issued.get("id_token"), issued.get("access_token")
    if status != 200 or not isinstance(token, str):
        said = str(issued.get("error_description") or issued.get("error") or f"status {status}")
        raise SsoRefused(f"{policy.label} did not confirm the sign-in: {said[:200]}.")
    try:
        claims = oidc_tokens.verify(
            sv, token, issuer=policy.issuer, audiences={policy.client_id}, nonce=str(flow["nonce"])
        )
    except oidc_tokens.BadAssertion as error:
        raise SsoRefused(error.message) from error
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != policy.client_id:
        raise SsoRefused("The identity token was made for another program as well.")
    address = sv.issuers.metadata(policy.issuer, policy=calls).get("userinfo_endpoint")
    if not isinstance(address, str) or not isinstance(access, str):
        return claims
    more = issuers.fetch_json(address, policy=calls, headers={"Authorization": f"Bearer {access}"})
    if more.get("sub") != claims["sub"]:
        raise SsoRefused("The provider's user info is about somebody else.")
    return {**more, **claims}


def _describe(policy: Sso, claims: Mapping[str, object]) -> Person:
    address = claims.get("email")
    # Some providers write it as text.
    verified = claims.get("email_verified") in (True, "true")
    groups = claims.get(policy.groups_claim)
    if isinstance(groups, str):
        groups = groups.split(",")
    return Person(
        subject=str(claims["sub"])[:255],
        username=str(claims.get(policy.username_claim) or address or ""),
        fullname=" ".join(str(claims.get("name") or "").split())[:200],
        email=str(address).lower() if isinstance(address, str) and verified else None,
        groups=_group_names(groups),
    )


def _group_names(groups: object) -> tuple[str, ...]:
    """Return the names in a list of texts, or of objects such as this hub's own ``orgs``."""
    if not isinstance(groups, list):
        return ()
    named = [each.get("preferred_username") if isinstance(each, dict) else each for each in groups]
    return tuple(str(each).strip() for each in named[:MAX_GROUPS] if isinstance(each, str) and each.strip())


# --- who it is here ------------------------------------------------------------------------------------------


def _sign_in(
    sv: Services, policy: Sso, person: Person, *, user_agent: str
) -> tuple[SessionSecret | None, str | None]:
    _check_domain(policy, person)
    now = sv.clock.now()
    with sv.db.write() as tx:
        identity = sso_rows.get_identity(tx, provider=policy.provider, subject=person.subject)
        account = _find_account(sv, tx, policy, person, identity)
        managed = _apply_roles(sv, tx, policy, person, account, identity)
        _apply_admin(sv, tx, policy, person, account)
        sso_rows.put_identity(
            tx,
            provider=policy.provider,
            subject=person.subject,
            user_id=account.id,
            email=person.email,
            groups=person.groups,
            managed=managed,
            at=now,
        )
        stored = rows.get_password_hash(tx, account.id)
        # Who can sign in by password here as well is asked here for what they set up here.
        if stored is not None and second_factor.is_on(tx, account.id):
            return None, second_factor.make_pass(sv, account, stored)
        audit.record(
            tx,
            at=now,
            actor=account.name,
            action="session.create",
            subject=account.name,
            owner_id=account.id,
            provider=policy.provider,
        )
        return begin_session(sv, tx, account, user_agent=user_agent), None


def _check_domain(policy: Sso, person: Person) -> None:
    allowed = {each.strip().lower().lstrip("@") for each in policy.allowed_domains.split(",") if each.strip()}
    if allowed and (person.email is None or person.email.rpartition("@")[2] not in allowed):
        raise SsoRefused(
            "Your e-mail address is not one that may sign in here. Ask this hub's administrator."
        )


def _find_account(sv: Services, tx: Tx, policy: Sso, person: Person, identity: Identity | None) -> Account:
    if identity is not None:
        account = rows.get_account_by_id(tx, identity.user_id)
        if account is None or not account.is_active:
            raise SsoRefused("Your account on this hub is closed. Ask its administrator.")
        return account
    holder = None if person.email is None else rows.get_account_by_email(tx, person.email)
    if holder is not None and policy.link_by_email:
        if not holder.is_active or holder.kind != "user":
            raise SsoRefused("Your account on this hub is closed. Ask its administrator.")
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=holder.name,
            action="user.link_sso",
            subject=holder.name,
            owner_id=holder.id,
            provider=policy.provider,
        )
        return holder
    if not policy.create_users:
        raise SsoRefused("You have no account on this hub. Ask its administrator for one.")
    return _create_account(sv, tx, policy, person, email=None if holder is not None else person.email)


def _create_account(sv: Services, tx: Tx, policy: Sso, person: Person, *, email: str | None) -> Account:
    base = make_name(person.username)
    for number in range(1, 100):
        name = base if number == 1 else f"{base[:38]}-{number}"
        if rows.get_account(tx, name) is not None or redirect_rows.get_holder(tx, name) is not None:
            continue
        account = add_user(
            sv,
            tx,
            name=name,
            password_hash=None,
            email=check_email(email),
            fullname=person.fullname,
            is_admin=False,
        )
        if email is not None:
            rows.update_account(tx, account.id, email_verified=True)
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=account.name,
            action="user.sign_up",
            subject=account.name,
            owner_id=account.id,
            provider=policy.provider,
        )
        return account
    raise SsoRefused("No free user name was found for you. Ask this hub's administrator for an account.")


def make_name(username: str) -> str:
    """Return what a provider calls somebody as a name this hub allows; ``user`` where nothing is left of it. Pure."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", username.partition("@")[0]).strip("-")[:42].strip("-")
    try:
        return check_account_name(plain)
    except InvalidName:
        return f"user-{secrets.token_hex(4)}"


# --- what its groups give -----------------------------------------------------------------------------------------


def read_roles(policy: Sso) -> tuple[GroupRole, ...]:
    """Return the rules of the settings. Pure."""
    found = []
    for part in policy.roles.split(","):
        group, _, place = part.strip().rpartition("=")
        org, _, label = place.partition(":")
        role = OrgRole.from_label(label)
        if group and role is not None:
            found.append(GroupRole(group, org, role))
    return tuple(found)


def roles_for(rules: Sequence[GroupRole], groups: Sequence[str]) -> dict[str, OrgRole]:
    """Return the highest role that groups give in each organization, by its name in lower case. Pure."""
    wanted: dict[str, OrgRole] = {}
    for rule in rules:
        if rule.group in groups:
            key = rule.org.lower()
            wanted[key] = max(rule.role, wanted.get(key, OrgRole.NO_ACCESS))
    return wanted


def _apply_roles(
    sv: Services, tx: Tx, policy: Sso, person: Person, account: Account, identity: Identity | None
) -> dict[str, str]:
    """Give and take memberships; returns those that the sign-in manages from now on.

    Who was made a member by hand stays so, with the role given by hand.
    """
    before = {} if identity is None else identity.managed
    managed: dict[str, str] = {}
    for name, role in roles_for(read_roles(policy), person.groups).items():
        org = rows.get_account(tx, name)
        if org is None or not org.is_org or not org.is_active:
            continue
        present = rows.get_role(tx, org_id=org.id, user_id=account.id)
        if present is not None and org.hex_id not in before:
            continue
        managed[org.hex_id] = role.label
        if present is not role and not _is_last_admin(tx, org, present):
            rows.set_role(tx, org_id=org.id, user_id=account.id, role=role, at=sv.clock.now())
            _record_member(sv, tx, policy, org, account, role)
    for hex_id in before:
        org = rows.get_account_by_hex_id(tx, hex_id)
        if hex_id in managed or org is None:
            continue
        present = rows.get_role(tx, org_id=org.id, user_id=account.id)
        if present is None:
            continue
        if _is_last_admin(tx, org, present):
            managed[hex_id] = present.label
            continue
        rows.delete_membership(tx, org_id=org.id, user_id=account.id)
        _record_member(sv, tx, policy, org, account, None)
    return managed


def _is_last_admin(tx: Tx, org: Account, present: OrgRole | None) -> bool:
    """Tell whether nobody would administrate the organization without this member; nobody else joins meanwhile."""
    rows.lock_account(tx, org.id)
    return present is OrgRole.ADMIN and rows.count_org_admins(tx, org.id) <= 1


def _record_member(
    sv: Services, tx: Tx, policy: Sso, org: Account, account: Account, role: OrgRole | None
) -> None:
    now = sv.clock.now()
    label = None if role is None else role.label
    audit.record(
        tx,
        at=now,
        actor=account.name,
        action="org.set_member" if role is not None else "org.remove_member",
        subject=org.name,
        owner_id=org.id,
        user=account.name,
        role=label,
        provider=policy.provider,
    )
    events.record(
        tx, "org.member", at=now, actor_id=account.id, owner_id=org.id, user=account.name, role=label
    )


def _apply_admin(sv: Services, tx: Tx, policy: Sso, person: Person, account: Account) -> None:
    groups = {each.strip() for each in policy.admin_groups.split(",") if each.strip()}
    is_admin = bool(groups & set(person.groups))
    if not groups or account.is_admin == is_admin:
        return
    if not is_admin and rows.count_active_admins(tx) <= 1:
        return
    rows.update_account(tx, account.id, is_admin=is_admin)
    audit.record(
        tx,
        at=sv.clock.now(),
        actor=account.name,
        action="user.set_admin",
        subject=account.name,
        owner_id=account.id,
        is_admin=is_admin,
        provider=policy.provider,
    )


# --- shared --------------------------------------------------------------------------------------------------------


def _settings(sv: Services, provider: str) -> Sso:
    policy = sv.settings.sso
    if not policy.issuer or policy.provider != provider:
        raise NotFound("This hub knows no such identity provider.")
    return policy


def _endpoint(sv: Services, policy: Sso, name: str) -> str:
    metadata = sv.issuers.metadata(policy.issuer, policy=oidc_tokens.policy_of(sv, policy.issuer))
    address = metadata.get(name)
    if not isinstance(address, str) or not address.startswith(("https://", "http://")):
        raise SsoRefused(f"{policy.label} does not say where its '{name}' is.")
    return address


def _takes_basic(sv: Services, policy: Sso) -> bool:
    metadata = sv.issuers.metadata(policy.issuer, policy=oidc_tokens.policy_of(sv, policy.issuer))
    methods = metadata.get("token_endpoint_auth_methods_supported")
    return not isinstance(methods, list) or "client_secret_basic" in methods
