"""What an identity token and the user-info endpoint say of a person, by the scopes the person granted. Pure.

Source: hub-docs ``oauth.md``; huggingface_hub ``_oauth.py::OAuthUserInfo``; huggingface.js ``oauth-handle-redirect``.
"""

from __future__ import annotations

from collections.abc import Sequence

from openhood.domain.accounts.types import Account, Membership, TokenInfo


def avatar_of(account: Account, base_url: str) -> str:
    """Return the whole address of an account's picture."""
    address = account.avatar_url or f"/avatars/{account.hex_id}.svg"
    return base_url + address if address.startswith("/") else address


def person_claims(
    account: Account,
    memberships: Sequence[Membership],
    *,
    base_url: str,
    scopes: frozenset[str] | None,
    org_ids: frozenset[str] | None,
    most_orgs: int | None = None,
) -> dict[str, object]:
    """Return the claims about a person.

    Args: ``scopes`` None shows everything (the person's own tokens); ``org_ids`` are the organizations that the
    person chose, None for all.
    """
    found: dict[str, object] = {"sub": account.hex_id}
    if scopes is None or "profile" in scopes:
        found |= {
            "name": account.fullname or account.name,
            "preferred_username": account.name,
            "profile": f"{base_url}/{account.name}",
            "picture": avatar_of(account, base_url),
            "isPro": False,
            "orgs": [
                _org(each, base_url=base_url, scopes=scopes, org_ids=org_ids)
                for each in memberships[: most_orgs or len(memberships)]
            ],
        }
    if scopes is None or "read-billing" in scopes:
        found["canPay"] = False
    if account.email and (scopes is None or "email" in scopes):
        found |= {"email": account.email, "email_verified": account.email_verified}
    return found


def granted_scopes(token: TokenInfo | None) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """Return the OAuth scopes and organizations of a token, None each where it is not so limited."""
    document = None if token is None else token.scopes
    if document is None or "oauth" not in document:
        return None, None
    org_ids = document.get("orgIds")
    chosen = frozenset(map(str, org_ids)) if isinstance(org_ids, list) else None
    return frozenset(str(document["oauth"]).split()), chosen


def _org(
    membership: Membership,
    *,
    base_url: str,
    scopes: frozenset[str] | None,
    org_ids: frozenset[str] | None,
) -> dict[str, object]:
    org = membership.org
    shown: dict[str, object] = {
        "sub": org.hex_id,
        "name": org.fullname or org.name,
        "preferred_username": org.name,
        "picture": avatar_of(org, base_url),
        "isEnterprise": False,
    }
    if org_ids is None or org.hex_id in org_ids:
        shown["roleInOrg"] = membership.role.label
        if scopes is not None and "read-billing" in scopes:
            shown["canPay"] = False
    return shown
