"""What the OAuth scopes let a program do, in people's words and as fine-grained permissions.

Whether a person granted them, and for which organizations, is in `consents` and `oauth_codes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from openhood.base.errors import OauthRefused
from openhood.domain.accounts.types import Account

# What a scope lets a token do, in the names of fine-grained permissions. Source: hub-docs `oauth`.
SCOPE_PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "openid": (),
    "profile": (),
    "email": (),
    "read-billing": (),
    "read-memberships": ("org.read",),
    "read-repos": ("repo.content.read",),
    "gated-repos": (),
    "contribute-repos": ("repo.content.read", "discussion.write"),
    "write-repos": ("repo.content.read", "repo.write"),
    "manage-repos": ("repo.content.read", "repo.write"),
    "read-collections": ("collection.read",),
    "write-collections": ("collection.read", "collection.write"),
    "write-discussions": ("discussion.write",),
    "inference-api": ("inference.serverless.write",),
    "read-endpoints": (),
    "write-endpoints": ("inference.endpoints.write",),
    "jobs": ("job.write",),
    "webhooks": ("user.webhooks.read", "user.webhooks.write"),
}

SCOPE_WORDS: Mapping[str, str] = {
    "openid": "Know who you are",
    "profile": "See your name, your picture and the names of your organizations",
    "email": "See your e-mail address",
    "read-billing": "Know whether you have a payment method",
    "read-memberships": "See your role in the organizations you choose",
    "read-repos": "Read your repositories, the private ones too",
    "gated-repos": "Read gated repositories that you have access to",
    "contribute-repos": "Read your repositories and propose changes",
    "write-repos": "Read and change your repositories",
    "manage-repos": "Create, change and delete your repositories",
    "read-collections": "Read your collections",
    "write-collections": "Read and change your collections",
    "write-discussions": "Open discussions and pull requests, and comment, in your name",
    "inference-api": "Run models in your name",
    "read-endpoints": "See your inference endpoints",
    "write-endpoints": "Change your inference endpoints",
    "jobs": "Run jobs in your name",
    "webhooks": "Read and change your webhooks",
}

# These say something of, or reach into, organizations, so a person chooses which.
ORG_SCOPES = frozenset(
    (
        "read-billing",
        "read-memberships",
        "read-repos",
        "contribute-repos",
        "write-repos",
        "manage-repos",
        "read-collections",
        "write-collections",
        "inference-api",
        "read-endpoints",
        "write-endpoints",
        "jobs",
    )
)

# A person may comment wherever anybody may, so a program that comments for them may too.
_EVERYWHERE = frozenset(("discussion.write",))


def check_scope(scope: str) -> tuple[str, ...]:
    """Return the scopes of a space-separated list, sorted. Raises OauthRefused (``invalid_scope``)."""
    scopes = sorted(set(scope.split()))
    for each in scopes:
        if each not in SCOPE_PERMISSIONS:
            raise OauthRefused("invalid_scope", f"Unknown scope {each[:60]!r}.")
    return tuple(scopes)


def make_grants(
    scopes: Iterable[str], *, owner: Account, orgs: Sequence[Account] | None
) -> dict[str, object]:
    """Return the scopes document of a token, see `tokens.check_scopes`, with the OAuth scopes beside it.

    Args: ``orgs`` are the organizations a person chose; None does not limit the token to namespaces.
    """
    asked = sorted(set(scopes))
    allowed = {permission for each in asked for permission in SCOPE_PERMISSIONS[each]}
    document: dict[str, object] = {
        "global": sorted(allowed if orgs is None else allowed & _EVERYWHERE),
        "scoped": [],
        "canReadGatedRepos": "gated-repos" in asked,
        "oauth": " ".join(asked),
    }
    if orgs is not None:
        document["orgIds"] = [org.hex_id for org in orgs]
        document["scoped"] = [
            _on(account, permissions)
            for account in (owner, *orgs)
            if (permissions := _of(account, allowed - _EVERYWHERE))
        ]
    return document


def _of(account: Account, allowed: Iterable[str]) -> list[str]:
    foreign = "user." if account.is_org else "org."
    return sorted(each for each in allowed if not each.startswith(foreign))


def _on(account: Account, permissions: list[str]) -> dict[str, object]:
    entity = {"_id": account.hex_id, "type": account.kind, "name": account.name}
    return {"entity": entity, "permissions": permissions}
