"""Roles in resource groups and what organizations let in, as pure functions of the facts: every combination."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openhood.domain.access import (
    Need,
    OrgRole,
    RepoFacts,
    ScopedGrant,
    TokenGrant,
    Verdict,
    Viewer,
    decide,
    may_create_in,
)
from openhood.domain.accounts.policies import lets_in, names_org, read_policy
from openhood.domain.accounts.types import TokenPolicy

ORG, GROUP, ME = 10, 20, 1
NOW = datetime(2030, 1, 1, tzinfo=UTC)
REPO = RepoFacts(
    type="model",
    owner_id=ORG,
    creator_id=None,
    namespace_key="acme",
    name_key="m",
    is_private=True,
    is_gated=False,
    is_disabled=False,
    resource_group_id=GROUP,
)


@pytest.mark.parametrize(("in_org", "in_group"), list(itertools.product(OrgRole, (None, *OrgRole))))
def test_the_role_in_a_group_counts_alone(in_org: OrgRole, in_group: OrgRole | None) -> None:
    viewer = Viewer(
        user_id=ME, roles={ORG: in_org}, group_roles={} if in_group is None else {GROUP: in_group}
    )
    role = OrgRole.ADMIN if in_org is OrgRole.ADMIN else in_group or OrgRole.NO_ACCESS
    as_if = Viewer(user_id=ME, roles={ORG: role})
    outside = replace(REPO, resource_group_id=None)
    for need, private, creator in itertools.product(Need, (True, False), (None, ME)):
        here = replace(REPO, is_private=private, creator_id=creator)
        there = replace(outside, is_private=private, creator_id=creator)
        assert decide(viewer, here, need) is decide(as_if, there, need), (need, private, creator)
    created = may_create_in(viewer, ORG, "acme", resource_group_id=GROUP)
    assert created is (role >= OrgRole.CONTRIBUTOR)


def test_a_group_gives_nothing_to_who_is_no_member() -> None:
    viewer = Viewer(user_id=ME, group_roles={GROUP: OrgRole.ADMIN})
    assert {decide(viewer, REPO, need) for need in Need} == {Verdict.HIDE}
    other = Viewer(user_id=ME, roles={ORG: OrgRole.WRITE}, group_roles={GROUP + 1: OrgRole.ADMIN})
    assert {decide(other, REPO, need) for need in Need} == {Verdict.HIDE}


def test_a_service_account_owns_nothing() -> None:
    viewer = Viewer(user_id=ME, is_service=True)
    assert viewer.role_in(ME) is OrgRole.NO_ACCESS
    assert not may_create_in(viewer, ME, "acme-ci")
    assert may_create_in(replace(viewer, is_service=False), ME, "acme-ci")


def token(role: str, *, kind: str = "access", days: int = 0, on: str | None = "acme") -> TokenGrant:
    """A token of a role, made so many days ago; fine-grained ones may write at ``on``, None: everywhere."""
    grants = frozenset({"repo.write"})
    return TokenGrant(
        id=1,
        display_name="t",
        kind=kind,  # type: ignore[arg-type]  # a literal
        role=role,  # type: ignore[arg-type]  # a literal
        created_at=NOW - timedelta(days=days),
        expires_at=None,
        global_permissions=grants if on is None else frozenset(),
        scoped=() if on is None else (ScopedGrant("model" if "/" in on else "org", on, grants),),
    )


FINE, DENY_FINE = TokenPolicy(fine_grained="approval"), TokenPolicy(fine_grained="deny")
NO_CLASSIC, YOUNG = TokenPolicy(classic=False), TokenPolicy(max_age_days=7)


@pytest.mark.parametrize(
    ("policy", "grant", "approval", "is_in"),
    [
        (TokenPolicy(), token("write"), None, True),
        (TokenPolicy(), token("fineGrained"), None, True),
        (TokenPolicy(), token("fineGrained"), "denied", False),
        (TokenPolicy(), token("write"), "revoked", False),
        (NO_CLASSIC, token("read"), None, False),
        (NO_CLASSIC, token("write"), None, False),
        (NO_CLASSIC, token("write", kind="oauth"), None, True),
        (NO_CLASSIC, token("fineGrained"), None, True),
        (FINE, token("write"), None, True),
        (FINE, token("fineGrained"), None, False),
        (FINE, token("fineGrained"), "pending", False),
        (FINE, token("fineGrained"), "approved", True),
        (FINE, token("fineGrained", on="acme/m"), None, False),
        (FINE, token("fineGrained", on=None), None, False),
        (FINE, token("fineGrained", on="other"), None, True),
        (FINE, token("fineGrained", on="acme-two/m"), None, True),
        (DENY_FINE, token("fineGrained"), "approved", False),
        (DENY_FINE, token("fineGrained", on="other/m"), None, True),
        (YOUNG, token("write", days=7), None, True),
        (YOUNG, token("write", days=8), None, False),
        (YOUNG, token("fineGrained", days=8), "approved", False),
        (YOUNG, token("write", kind="oauth", days=8), None, False),
    ],
)
def test_which_tokens_are_let_in(
    policy: TokenPolicy, grant: TokenGrant, approval: str | None, is_in: bool
) -> None:
    found = lets_in(policy, grant, org_key="acme", approval=approval, is_service=False, now=NOW)
    assert found is is_in


def test_stored_policies_that_are_odd_let_everything_in() -> None:
    for stored in (None, {}, {"fineGrained": "maybe", "createRole": "king", "maxAgeDays": "7"}):
        assert read_policy(stored) == TokenPolicy()


def test_which_scopes_name_an_organization() -> None:
    def scoped(name: str, *permissions: str) -> dict[str, object]:
        return {"scoped": [{"entity": {"type": "org", "name": name}, "permissions": list(permissions)}]}

    assert names_org(scoped("Acme", "repo.write"), "acme")
    assert names_org(scoped("acme/m", "repo.content.read"), "acme")
    assert not names_org(scoped("acme"), "acme")
    assert not names_org(scoped("acme2", "repo.write"), "acme")
    assert names_org({"global": ["repo.write"], "scoped": []}, "acme")
    assert not names_org({"global": ["inference.serverless.write"], "scoped": []}, "acme")
