"""The authorization-code flow: what a program asks a person for, the answer, and the code exchanged for tokens.

Source: RFC 6749 section 4.1, RFC 7636 (PKCE), RFC 9207 (``iss``), OpenID Connect Core section 3.1, RFC 9700.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from openhood.base.errors import BadRequest, OauthRefused
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import (
    client_rows,
    credential_rows,
    oauth,
    oauth_code_rows,
    oidc_tokens,
    rows,
)
from openhood.domain.accounts.claims import person_claims
from openhood.domain.accounts.clients import Credentials, authenticate, is_shared_redirect, matches_redirect
from openhood.domain.accounts.oauth_code_rows import Code
from openhood.domain.accounts.oauth_scopes import ORG_SCOPES
from openhood.domain.accounts.types import Account, IssuedTokens, OauthClient
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.db.engine import Tx

CODE_LIFE = timedelta(seconds=60)
CODE_PREFIX = "hf_code_"
# Somebody who signed in a moment ago need not do so again because a program wants it fresh.
FRESH_SIGN_IN = timedelta(minutes=5)
MAX_STATE = 4000
MAX_NONCE = 500
PROMPTS = frozenset(("none", "login", "consent", "select_account"))


class NoReturn(BadRequest):
    """A request names no client or address that can be trusted, so the answer must stay on this hub's page."""


class AuthorizeRefused(OauthRefused):
    """A request is refused and the program is told so at its own address; ``location`` is that answer's."""

    def __init__(self, error: str, description: str, *, location: str) -> None:
        super().__init__(error, description)
        self.location = location


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """What a program asks a person for, checked. ``org_ids`` are organizations it would like to be chosen."""

    client: OauthClient
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None
    nonce: str | None
    challenge: str | None
    prompt: frozenset[str]
    max_age_s: int | None
    org_ids: tuple[str, ...]
    issuer: str

    @property
    def scope(self) -> str:
        """The scopes as one text."""
        return " ".join(self.scopes)

    @property
    def wants_orgs(self) -> bool:
        """Whether a person has to choose organizations."""
        return bool(ORG_SCOPES.intersection(self.scopes))

    def answer(self, **values: str | None) -> str:
        """Return the program's address with an answer in its query."""
        # All that is authlib's is loaded with the first program that asks: it brings cryptography along.
        from authlib.common.urls import add_params_to_uri

        given = {**values, "state": self.state, "iss": self.issuer}
        pairs = [(name, value) for name, value in given.items() if value is not None]
        address: str = add_params_to_uri(self.redirect_uri, pairs)
        return address

    def refuse(self, error: str, description: str) -> AuthorizeRefused:
        """Return the refusal that tells the program."""
        return AuthorizeRefused(
            error, description, location=self.answer(error=error, error_description=description)
        )


@dataclass(frozen=True, slots=True)
class OrgChoice:
    """An organization of a person's, and whether it is chosen beforehand."""

    org: Account
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from a request: a person must ``login``, sign in ``again`` or ``consent``; or it is ``done``.

    ``location`` is the program's address with the code; ``choices`` are what to ask.
    """

    step: Literal["login", "again", "consent", "done"]
    location: str | None = None
    choices: tuple[OrgChoice, ...] = ()


# --- what is asked -------------------------------------------------------------------------------------


def read_request(sv: Services, pairs: Sequence[tuple[str, str]], *, issuer: str) -> AuthorizeRequest:
    """Return a program's request, checked. Opens a read unit.

    Raises: NoReturn where nobody can be trusted with the answer, AuthorizeRefused for anything else.
    """
    names = [name for name, _value in pairs if name not in ("orgIds", "orgIds[]", "resource")]
    given = dict(pairs)
    client = _find_client(sv, given, names)
    redirect_uri = _find_redirect(client, given, names)
    trusted = AuthorizeRequest(
        client=client,
        redirect_uri=redirect_uri,
        scopes=(),
        state=given.get("state"),
        nonce=None,
        challenge=None,
        prompt=frozenset(),
        max_age_s=None,
        org_ids=(),
        issuer=issuer,
    )
    if len(given.get("state", "")) > MAX_STATE:
        raise NoReturn(f"The 'state' of the program's request has more than {MAX_STATE} characters.")
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise trusted.refuse("invalid_request", f"The parameter '{sorted(repeated)[0][:60]}' is given twice.")
    return _read_rest(trusted, given, pairs)


def _find_client(sv: Services, given: Mapping[str, str], names: Sequence[str]) -> OauthClient:
    client_id = given.get("client_id", "")
    if not client_id or names.count("client_id") > 1:
        raise NoReturn("The address does not say which program asks: 'client_id' is missing or given twice.")
    with sv.db.read() as tx:
        client = client_rows.get_client(tx, client_id[:200])
    if client is None:
        raise NoReturn("No program with this 'client_id' is registered with this hub.")
    return client


def _find_redirect(client: OauthClient, given: Mapping[str, str], names: Sequence[str]) -> str:
    redirect_uri = given.get("redirect_uri", "")
    if names.count("redirect_uri") > 1 or not redirect_uri:
        raise NoReturn(
            f"{client.name} does not say where to go back to: 'redirect_uri' is missing or given twice."
        )
    if not matches_redirect(client, redirect_uri):
        raise NoReturn(
            f"The address that {client.name} wants you sent back to is not one it registered ('redirect_uri'). "
            "If the program is yours, add the address to it in your settings."
        )
    return redirect_uri


def _read_rest(
    trusted: AuthorizeRequest, given: Mapping[str, str], pairs: Sequence[tuple[str, str]]
) -> AuthorizeRequest:
    if "request" in given or "request_uri" in given:
        name = "request" if "request" in given else "request_uri"
        raise trusted.refuse(f"{name}_not_supported", f"The parameter '{name}' is not supported.")
    if given.get("response_type") != "code":
        raise trusted.refuse("unsupported_response_type", "The 'response_type' must be 'code'.")
    if given.get("response_mode", "query") != "query":
        raise trusted.refuse("invalid_request", "The 'response_mode' must be 'query'.")
    challenge = _read_challenge(trusted, given)
    prompt = frozenset(given.get("prompt", "").split())
    if prompt - PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise trusted.refuse("invalid_request", "The 'prompt' is not known.")
    nonce = given.get("nonce")
    if nonce is not None and len(nonce) > MAX_NONCE:
        raise trusted.refuse("invalid_request", f"The 'nonce' has more than {MAX_NONCE} characters.")
    max_age = given.get("max_age")
    if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):
        raise trusted.refuse("invalid_request", "The 'max_age' must be a number of seconds.")
    try:
        scopes = oauth.choose_scopes(trusted.client, given.get("scope", ""))
    except OauthRefused as error:
        raise trusted.refuse(error.error, error.message) from error
    wanted = [value for name, value in pairs if name in ("orgIds", "orgIds[]")]
    return AuthorizeRequest(
        client=trusted.client,
        redirect_uri=trusted.redirect_uri,
        # Without any, a token would be able to do everything.
        scopes=scopes or ("openid", "profile"),
        state=trusted.state,
        nonce=nonce,
        challenge=challenge,
        prompt=prompt,
        max_age_s=None if max_age is None else int(max_age),
        org_ids=tuple(part for value in wanted for part in value.split(",") if part)[:100],
        issuer=trusted.issuer,
    )


def _read_challenge(trusted: AuthorizeRequest, given: Mapping[str, str]) -> str | None:
    from authlib.oauth2.rfc7636.challenge import CODE_CHALLENGE_PATTERN

    challenge = given.get("code_challenge")
    if challenge is None:
        if "code_challenge_method" in given:
            raise trusted.refuse("invalid_request", "The 'code_challenge' is missing.")
        if trusted.client.is_public:
            raise trusted.refuse(
                "invalid_request", "This program must use PKCE: 'code_challenge' is missing."
            )
        return None
    # A challenge without its method is the verifier itself, which anybody who sees the request could use.
    if given.get("code_challenge_method") != "S256":
        raise trusted.refuse("invalid_request", "The 'code_challenge_method' must be 'S256'.")
    if not CODE_CHALLENGE_PATTERN.fullmatch(challenge) or len(challenge) != 43:
        raise trusted.refuse("invalid_request", "The 'code_challenge' is not a SHA-256 in base64url.")
    return challenge


# --- what a person answers ------------------------------------------------------------------------------------


def begin(sv: Services, viewer: Viewer, request: AuthorizeRequest, *, session: str | None) -> Outcome:
    """Say what must happen before the program gets its code, or give it. Opens a read unit, perhaps a write unit.

    Args: ``session`` is the secret of the browser's session.
    Raises: AuthorizeRefused where the person must not be asked (``login_required``, ``consent_required``);
    BadRequest with a token, which must not beget another.
    """
    is_silent = "none" in request.prompt
    user_id = _user_in_browser(viewer, allow_nobody=True)
    if user_id is None:
        if is_silent:
            raise request.refuse("login_required", "Nobody is signed in.")
        return Outcome("login")
    now = sv.clock.now()
    with sv.db.read() as tx:
        began = oauth_code_rows.get_session_start(tx, ids.hash_secret(session or "")) or now
        consent = oauth_code_rows.get_consent(tx, user_id=user_id, client_id=request.client.client_id)
        choices = _choices(tx, request, user_id, consent)
    if _is_too_old(request, began=began, now=now):
        if is_silent:
            raise request.refuse("login_required", "The person has to sign in again.")
        return Outcome("again")
    if consent is not None and _covers(consent, request, choices):
        with sv.db.write() as tx:
            return _done(sv, tx, request, user_id=user_id, org_ids=consent.org_ids, auth_time=began)
    if is_silent:
        raise request.refuse("consent_required", "The person has to allow it first.")
    return Outcome("consent", choices=choices)


def answer(
    sv: Services,
    viewer: Viewer,
    request: AuthorizeRequest,
    *,
    approve: bool,
    org_ids: Sequence[str],
    session: str | None,
) -> str:
    """Take a person's answer and return the program's address with the code. Opens a write unit.

    Args: ``org_ids`` are the organizations chosen; others than the person's own do not count.
    Raises: AuthorizeRefused (``access_denied``) where the person refused; BadRequest with a token; Unauthorized.
    """
    user_id = _user_in_browser(viewer, allow_nobody=False)
    assert user_id is not None
    if not approve:
        raise request.refuse("access_denied", "The person refused.")
    now = sv.clock.now()
    with sv.db.write() as tx:
        began = oauth_code_rows.get_session_start(tx, ids.hash_secret(session or "")) or now
        if _is_too_old(request, began=began, now=now):
            raise BadRequest("You have to sign in again before you allow this. Go back to the program.")
        known = oauth_code_rows.get_consent(tx, user_id=user_id, client_id=request.client.client_id)
        own = [each.org for each in rows.list_memberships(tx, user_id)]
        chosen = [org.hex_id for org in oauth_code_rows.pick_orgs(own, org_ids if request.wants_orgs else ())]
        scopes = set(request.scopes) | set(known.scope.split() if known else ())
        oauth_code_rows.put_consent(
            tx,
            user_id=user_id,
            client_id=request.client.client_id,
            scope=" ".join(sorted(scopes)),
            org_ids=chosen if request.wants_orgs or known is None else known.org_ids,
            at=now,
        )
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="oauth.consent",
            subject=viewer.name,
            owner_id=viewer.user_id,
            client=request.client.name,
            client_id=request.client.client_id,
            scope=request.scope,
        )
        outcome = _done(sv, tx, request, user_id=user_id, org_ids=chosen, auth_time=began)
    assert outcome.location is not None
    return outcome.location


def _user_in_browser(viewer: Viewer, *, allow_nobody: bool) -> int | None:
    if viewer.token is not None:
        raise BadRequest("A program can be allowed in the browser only.")
    if viewer.user_id is None and not allow_nobody:
        raise BadRequest("You are signed out. Go back to the program and start again.")
    return viewer.user_id


def _choices(
    tx: Tx, request: AuthorizeRequest, user_id: int, consent: oauth_code_rows.Consent | None
) -> tuple[OrgChoice, ...]:
    if not request.wants_orgs:
        return ()
    chosen = set(request.org_ids) | set(consent.org_ids if consent else ())
    own = (each.org for each in rows.list_memberships(tx, user_id))
    return tuple(OrgChoice(org, org.hex_id in chosen) for org in own)


def _covers(
    consent: oauth_code_rows.Consent, request: AuthorizeRequest, choices: Sequence[OrgChoice]
) -> bool:
    """Tell whether an earlier answer holds, so that the person need not be asked."""
    if "consent" in request.prompt or "select_account" in request.prompt:
        return False
    # Another program on the machine may listen there as well, so a person must look each time (RFC 8252, 8.6).
    if request.client.is_public and is_shared_redirect(request.redirect_uri):
        return False
    asked = {each.org.hex_id for each in choices if each.org.hex_id in request.org_ids}
    return set(request.scopes) <= set(consent.scope.split()) and asked <= set(consent.org_ids)


def _is_too_old(request: AuthorizeRequest, *, began: datetime, now: datetime) -> bool:
    age = now - began
    if "login" in request.prompt and age > FRESH_SIGN_IN:
        return True
    # Nobody signs in within zero seconds; such a request wants it fresh.
    return request.max_age_s is not None and age > max(
        timedelta(seconds=request.max_age_s), timedelta(minutes=1)
    )


def _done(
    sv: Services,
    tx: Tx,
    request: AuthorizeRequest,
    *,
    user_id: int,
    org_ids: Sequence[str],
    auth_time: datetime,
) -> Outcome:
    code = ids.new_secret(CODE_PREFIX)
    oauth_code_rows.insert_code(
        tx,
        ids.hash_secret(code),
        Code(
            client_id=request.client.client_id,
            user_id=user_id,
            redirect_uri=request.redirect_uri,
            scope=request.scope,
            org_ids=tuple(org_ids) if request.wants_orgs else (),
            nonce=request.nonce,
            challenge=request.challenge,
            family=ids.new_hex_id(),
            auth_time=auth_time,
            expires_at=sv.clock.now() + CODE_LIFE,
            used_at=None,
        ),
    )
    return Outcome("done", location=request.answer(code=code))


# --- the code --------------------------------------------------------------------------------------------------------


def redeem_code(
    sv: Services,
    *,
    credentials: Credentials,
    code: str,
    redirect_uri: str | None,
    verifier: str | None,
    issuer: str,
) -> IssuedTokens:
    """Exchange an authorization code for tokens, once. Opens read units and a write unit.

    A code that comes again was seen by somebody else, so what came of it ends; one that comes with the wrong proof
    is spent. huggingface.js ``oauth-handle-redirect`` names no client: then the code's own counts, which PKCE proves.
    Raises: OauthRefused (``invalid_grant``, ``invalid_client``).
    """
    client = authenticate(sv, credentials) if credentials.client_id else None
    code_hash = ids.hash_secret(code)
    now = sv.clock.now()
    refusal = "The code is unknown or was used already. Start the sign-in again."
    issued: IssuedTokens | None = None
    with sv.db.write() as tx:
        known = oauth_code_rows.get_code(tx, code_hash)
        if known is not None and known.used_at is not None:
            _end_family(tx, known, now)
        elif known is not None:
            oauth_code_rows.set_used(tx, code_hash, at=now)
            holder = client or client_rows.get_client(tx, known.client_id)
            wrong = _what_is_wrong(
                known, holder, client, redirect_uri=redirect_uri, verifier=verifier, now=now
            )
            if wrong is None and holder is not None:
                issued = oauth.issue(
                    sv,
                    tx,
                    user_id=known.user_id,
                    client=holder,
                    scope=known.scope,
                    org_ids=known.org_ids,
                    family=known.family,
                )
            else:
                refusal = wrong or refusal
    if issued is None or known is None:
        raise OauthRefused("invalid_grant", refusal)
    return _with_id_token(sv, issued, known, issuer=issuer)


def _what_is_wrong(
    code: Code,
    holder: OauthClient | None,
    client: OauthClient | None,
    *,
    redirect_uri: str | None,
    verifier: str | None,
    now: datetime,
) -> str | None:
    from authlib.oauth2.rfc7636.challenge import CODE_VERIFIER_PATTERN, create_s256_code_challenge

    if code.expires_at <= now:
        return "The code has expired. Start the sign-in again."
    if holder is None or code.client_id != holder.client_id:
        return "The code belongs to another client."
    if client is None and not holder.is_public:
        return "This client must prove itself with its secret."
    if redirect_uri != code.redirect_uri and not (redirect_uri is None and code.challenge):
        return "The 'redirect_uri' is not the one the code was made for."
    if code.challenge is None:
        return "The code was made without PKCE, so no 'code_verifier' fits." if verifier else None
    if not verifier or not CODE_VERIFIER_PATTERN.fullmatch(verifier):
        return "The 'code_verifier' is missing or malformed."
    if not hmac.compare_digest(create_s256_code_challenge(verifier), code.challenge):
        return "The 'code_verifier' does not fit the code."
    return None


def _end_family(tx: Tx, code: Code, now: datetime) -> None:
    credential_rows.delete_family(tx, code.family)
    owner = rows.get_account_by_id(tx, code.user_id)
    name = "" if owner is None else owner.name
    audit.record(
        tx,
        at=now,
        actor=name,
        action="oauth.code_reuse",
        subject=name,
        owner_id=code.user_id,
        client_id=code.client_id,
    )


def _with_id_token(sv: Services, issued: IssuedTokens, code: Code, *, issuer: str) -> IssuedTokens:
    if "openid" not in code.scope.split():
        return issued
    with sv.db.read() as tx:
        account = rows.get_account_by_id(tx, code.user_id)
        memberships = rows.list_memberships(tx, code.user_id)
    if account is None:
        raise OauthRefused("access_denied", "The account is closed.")
    claims = person_claims(
        account,
        memberships,
        base_url=issuer,
        scopes=frozenset(code.scope.split()),
        org_ids=frozenset(code.org_ids),
        # An identity token often lies in a cookie, which holds 4 kB.
        most_orgs=10,
    )
    token = oidc_tokens.make_id_token(
        sv,
        issuer=issuer,
        audience=code.client_id,
        claims=claims,
        nonce=code.nonce,
        auth_time=code.auth_time,
        access_token=issued.access_token,
    )
    return IssuedTokens(issued.access_token, issued.refresh_token, issued.expires_in_s, issued.scope, token)
