"""The policy of `domain.access` written out as a table for people, from the policy itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from openhood.domain.access import (
    ANONYMOUS,
    Need,
    OrgRole,
    RepoFacts,
    ScopedGrant,
    TokenGrant,
    Verdict,
    Viewer,
    decide,
)

_ORG, _GROUP, _ME, _CREATOR = 10, 20, 1, 2
_OPEN = RepoFacts("model", _ORG, _CREATOR, "acme", "m", is_private=False, is_gated=False, is_disabled=False)

REPOSITORIES: Sequence[tuple[str, RepoFacts]] = (
    ("public", _OPEN),
    ("public, gated", replace(_OPEN, is_gated=True)),
    ("public, gated, access granted", replace(_OPEN, is_gated=True, has_gate_access=True)),
    ("public, gated for members too", replace(_OPEN, is_gated=True, gate_binds_members=True)),
    ("protected space", replace(_OPEN, type="space", is_protected=True)),
    ("private", replace(_OPEN, is_private=True)),
    (
        "private, gated for members too",
        replace(_OPEN, is_private=True, is_gated=True, gate_binds_members=True),
    ),
    ("private, in a resource group", replace(_OPEN, is_private=True, resource_group_id=_GROUP)),
    ("disabled", replace(_OPEN, is_disabled=True)),
)
"""Every kind of repository, one of an organization."""

_SIGNS = {
    Verdict.ALLOW: "yes",
    Verdict.HIDE: "hidden",
    Verdict.GATE: "gate",
    Verdict.DISABLED: "disabled",
    Verdict.FORBID: "no",
}
_ROLES = (OrgRole.READ, OrgRole.CONTRIBUTOR, OrgRole.WRITE, OrgRole.ADMIN)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks, and in which words the table names them."""

    name: str
    viewer: Viewer


def token(
    role: Literal["read", "write", "fineGrained"], *permissions: str, reads_gated: bool = False
) -> TokenGrant:
    """Return a token that allows ``permissions`` on the organization."""
    return TokenGrant(
        id=1,
        display_name="t",
        kind="access",
        role=role,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=None,
        scoped=(ScopedGrant("org", "acme", frozenset(permissions)),) if permissions else (),
        can_read_gated=reads_gated,
    )


TOKENS: Sequence[tuple[str, TokenGrant | None]] = (
    ("in a session, or with a write token", None),
    ("with a read token", token("read")),
    ("with a fine-grained token for nothing", token("fineGrained")),
    ("with `repo.content.read`", token("fineGrained", "repo.content.read")),
    ("with `discussion.write`", token("fineGrained", "discussion.write")),
    ("with `repo.write`", token("fineGrained", "repo.write")),
)
"""Every kind of credentials."""


def callers() -> Iterator[Caller]:
    """Yield every kind of caller: role by credentials."""
    yield Caller("nobody", ANONYMOUS)
    people = [("a user of no part in it", Viewer(user_id=_ME, name="me"))]
    people += [(f"a member, {role.label}", _member(role)) for role in _ROLES]
    people += [("its creator, contributor", replace(_member(OrgRole.CONTRIBUTOR), user_id=_CREATOR))]
    people += [
        (f"a member of the group, {role.label}", replace(_member(OrgRole.READ), group_roles={_GROUP: role}))
        for role in _ROLES
    ]
    people += [("an administrator of the hub", Viewer(user_id=_ME, name="me", is_admin=True))]
    for name, viewer in people:
        for how, grant in TOKENS:
            yield Caller(f"{name}, {how}", replace(viewer, token=grant))


def _member(role: OrgRole) -> Viewer:
    return Viewer(user_id=_ME, name="me", roles={_ORG: role})


def page_lines() -> Iterator[str]:
    """Yield the lines of the page."""
    needs = tuple(Need)
    yield "Every caller, every kind of repository of an organization, and what they may do with it. `hidden`: the "
    yield "answer is that of a repository that does not exist. `gate`: access must be asked for first."
    for name, repo in REPOSITORIES:
        yield ""
        yield f"## A repository that is {name}"
        yield ""
        yield f"| Who | {' | '.join(need.value for need in needs)} |"
        yield f"|---|{'---|' * len(needs)}"
        for caller in callers():
            signs = (_SIGNS[decide(caller.viewer, repo, need)] for need in needs)
            yield f"| {caller.name} | {' | '.join(signs)} |"
