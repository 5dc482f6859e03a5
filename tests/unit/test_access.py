"""The table of who may do what: every role, token and kind of repository against every need."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from openhood.domain.access import (
    ANONYMOUS,
    SYSTEM,
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

OWNER, ME, CREATOR = 10, 1, 2

PUBLIC = RepoFacts(
    type="model",
    owner_id=OWNER,
    creator_id=CREATOR,
    namespace_key="acme",
    name_key="m",
    is_private=False,
    is_gated=False,
    is_disabled=False,
)
PRIVATE = replace(PUBLIC, is_private=True)
GATED = replace(PUBLIC, is_gated=True)
DISABLED = replace(PUBLIC, is_disabled=True)

A, H, G, D, F = Verdict.ALLOW, Verdict.HIDE, Verdict.GATE, Verdict.DISABLED, Verdict.FORBID
NEEDS = (Need.INFO, Need.READ, Need.PROPOSE, Need.WRITE, Need.ADMIN)


def member(role: OrgRole, *, user_id: int = ME) -> Viewer:
    return Viewer(user_id=user_id, name="me", roles={OWNER: role})


def token(
    role: str, *permissions: str, on: str | None = None, kind: str = "model", gated: bool = False
) -> TokenGrant:
    grants = frozenset(permissions)
    return TokenGrant(
        id=1,
        display_name="t",
        kind="access",
        role=role,  # type: ignore[arg-type]
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
        expires_at=None,
        global_permissions=grants if on is None else frozenset(),
        scoped=() if on is None else (ScopedGrant(kind, on, grants),),
        can_read_gated=gated,
    )


STRANGER = Viewer(user_id=ME, name="me")
HUB_ADMIN = Viewer(user_id=ME, name="me", is_admin=True)


@pytest.mark.parametrize(
    ("viewer", "repo", "verdicts"),
    [
        # viewer, repository, verdicts for: info, read, propose, write, admin
        (ANONYMOUS, PUBLIC, (A, A, F, F, F)),
        (ANONYMOUS, PRIVATE, (H, H, H, H, H)),
        (ANONYMOUS, GATED, (A, G, G, G, G)),
        (ANONYMOUS, DISABLED, (D, D, D, D, D)),
        (STRANGER, PUBLIC, (A, A, A, F, F)),
        (STRANGER, PRIVATE, (H, H, H, H, H)),
        (STRANGER, GATED, (A, G, G, G, G)),
        (STRANGER, replace(GATED, has_gate_access=True), (A, A, A, F, F)),
        (STRANGER, replace(PRIVATE, is_disabled=True), (H, H, H, H, H)),
        (member(OrgRole.NO_ACCESS), PRIVATE, (H, H, H, H, H)),
        (member(OrgRole.NO_ACCESS), PUBLIC, (A, A, A, F, F)),
        (member(OrgRole.READ), PRIVATE, (A, A, A, F, F)),
        (member(OrgRole.READ), GATED, (A, A, A, F, F)),
        (member(OrgRole.READ), replace(GATED, gate_binds_members=True), (A, G, G, G, G)),
        (member(OrgRole.CONTRIBUTOR), PRIVATE, (A, A, A, F, F)),
        (member(OrgRole.CONTRIBUTOR, user_id=CREATOR), PRIVATE, (A, A, A, A, A)),
        (member(OrgRole.READ, user_id=CREATOR), PRIVATE, (A, A, A, F, F)),
        (Viewer(user_id=CREATOR), PUBLIC, (A, A, A, F, F)),
        (member(OrgRole.WRITE), PRIVATE, (A, A, A, A, A)),
        (member(OrgRole.WRITE), replace(GATED, gate_binds_members=True), (A, G, G, G, G)),
        (
            member(OrgRole.WRITE),
            replace(GATED, gate_binds_members=True, has_gate_access=True),
            (A, A, A, A, A),
        ),
        (
            member(OrgRole.CONTRIBUTOR, user_id=CREATOR),
            replace(GATED, gate_binds_members=True),
            (A, A, A, A, A),
        ),
        (Viewer(user_id=CREATOR, name="left"), replace(GATED, gate_binds_members=True), (A, G, G, G, G)),
        (member(OrgRole.ADMIN), replace(GATED, gate_binds_members=True), (A, A, A, A, A)),
        (member(OrgRole.ADMIN), PRIVATE, (A, A, A, A, A)),
        (member(OrgRole.ADMIN), DISABLED, (D, D, D, D, D)),
        (Viewer(user_id=OWNER), PRIVATE, (A, A, A, A, A)),
        (Viewer(user_id=OWNER), GATED, (A, A, A, A, A)),
        (HUB_ADMIN, PRIVATE, (A, A, A, A, A)),
        (HUB_ADMIN, GATED, (A, A, A, A, A)),
        (HUB_ADMIN, DISABLED, (A, A, A, A, A)),
        (SYSTEM, PRIVATE, (A, A, A, A, A)),
        (SYSTEM, replace(DISABLED, is_private=True), (A, A, A, A, A)),
    ],
)
def test_people(viewer: Viewer, repo: RepoFacts, verdicts: tuple[Verdict, ...]) -> None:
    assert tuple(decide(viewer, repo, need) for need in NEEDS) == verdicts


@pytest.mark.parametrize(
    ("grant", "repo", "verdicts"),
    [
        (token("write"), PRIVATE, (A, A, A, A, A)),
        (token("read"), PRIVATE, (A, A, F, F, F)),
        (token("read"), PUBLIC, (A, A, F, F, F)),
        (token("read"), GATED, (A, A, F, F, F)),
        # A fine-grained token without permissions sees what everybody sees.
        (token("fineGrained"), PUBLIC, (A, A, F, F, F)),
        (token("fineGrained"), PRIVATE, (H, H, H, H, H)),
        (token("fineGrained"), GATED, (A, G, G, G, G)),
        (token("fineGrained", gated=True), GATED, (A, A, F, F, F)),
        (token("fineGrained", gated=True), PRIVATE, (H, H, H, H, H)),
        (token("fineGrained", "repo.content.read"), PRIVATE, (A, A, F, F, F)),
        (token("fineGrained", "repo.content.read"), GATED, (A, A, F, F, F)),
        (token("fineGrained", "repo.content.read", "discussion.write"), PRIVATE, (A, A, A, F, F)),
        (token("fineGrained", "discussion.write"), PRIVATE, (H, H, H, H, H)),
        (token("fineGrained", "repo.write"), PRIVATE, (A, A, A, A, A)),
        (token("fineGrained", "collection.write"), PRIVATE, (H, H, H, H, H)),
        (token("fineGrained", "repo.write", on="acme", kind="org"), PRIVATE, (A, A, A, A, A)),
        (token("fineGrained", "repo.write", on="acme", kind="user"), PRIVATE, (A, A, A, A, A)),
        (token("fineGrained", "repo.write", on="zoo", kind="org"), PRIVATE, (H, H, H, H, H)),
        (token("fineGrained", "repo.write", on="zoo", kind="org"), PUBLIC, (A, A, F, F, F)),
        (token("fineGrained", "repo.write", on="acme/m"), PRIVATE, (A, A, A, A, A)),
        (token("fineGrained", "repo.write", on="acme/m", kind="dataset"), PRIVATE, (H, H, H, H, H)),
        (token("fineGrained", "repo.write", on="acme/other"), PRIVATE, (H, H, H, H, H)),
        (token("fineGrained", "repo.write", on="acme", kind="model"), PRIVATE, (H, H, H, H, H)),
    ],
)
@pytest.mark.parametrize("viewer", [member(OrgRole.ADMIN), HUB_ADMIN])
def test_tokens_take_away_and_never_give(
    viewer: Viewer, grant: TokenGrant, repo: RepoFacts, verdicts: tuple[Verdict, ...]
) -> None:
    assert tuple(decide(replace(viewer, token=grant), repo, need) for need in NEEDS) == verdicts


@pytest.mark.parametrize("grant", [token("write"), token("fineGrained", "repo.write", gated=True)])
def test_a_strangers_token_opens_nothing(grant: TokenGrant) -> None:
    viewer = replace(STRANGER, token=grant)
    assert [decide(viewer, PRIVATE, need) for need in NEEDS] == [H] * 5
    assert [decide(viewer, GATED, need) for need in NEEDS] == [A, G, G, G, G]
    assert [decide(viewer, PUBLIC, need) for need in (Need.WRITE, Need.ADMIN)] == [F, F]


@pytest.mark.parametrize(
    ("viewer", "may"),
    [
        (ANONYMOUS, False),
        (STRANGER, False),
        (SYSTEM, True),
        (HUB_ADMIN, True),
        (Viewer(user_id=OWNER), True),
        (member(OrgRole.READ), False),
        (member(OrgRole.CONTRIBUTOR), True),
        (member(OrgRole.WRITE), True),
        (replace(member(OrgRole.ADMIN), token=token("read")), False),
        (replace(member(OrgRole.ADMIN), token=token("write")), True),
        (replace(member(OrgRole.ADMIN), token=token("fineGrained")), False),
        (replace(member(OrgRole.ADMIN), token=token("fineGrained", "repo.write")), True),
        (
            replace(member(OrgRole.ADMIN), token=token("fineGrained", "repo.write", on="acme", kind="org")),
            True,
        ),
        (replace(member(OrgRole.ADMIN), token=token("fineGrained", "repo.write", on="acme/m")), False),
        (replace(STRANGER, token=token("fineGrained", "repo.write")), False),
    ],
)
def test_who_may_create_repositories(viewer: Viewer, may: bool) -> None:
    assert may_create_in(viewer, OWNER, "acme") is may


def test_roles_are_ordered_and_named_as_the_hub_does() -> None:
    assert [role.label for role in OrgRole] == ["no_access", "read", "contributor", "write", "admin"]
    assert sorted(OrgRole) == list(OrgRole)
    for role in OrgRole:
        assert OrgRole.from_label(role.label) is role
    for wrong in ("ADMIN", "owner", "", "no access"):
        assert OrgRole.from_label(wrong) is None


def test_nobody_is_anonymous_and_the_system_is_not() -> None:
    assert ANONYMOUS.is_anonymous
    assert not ANONYMOUS.may_write_anything
    assert not SYSTEM.is_anonymous
    assert SYSTEM.may_write_anything


def test_a_protected_space_is_seen_by_all_and_read_by_members() -> None:
    space = RepoFacts(
        type="space",
        owner_id=7,
        creator_id=None,
        namespace_key="acme",
        name_key="app",
        is_private=False,
        is_gated=False,
        is_disabled=False,
        is_protected=True,
    )
    member = Viewer(user_id=2, name="m", roles={7: OrgRole.READ})
    stranger = Viewer(user_id=3, name="s")
    assert decide(ANONYMOUS, space, Need.INFO) is Verdict.ALLOW
    assert decide(ANONYMOUS, space, Need.READ) is Verdict.FORBID
    assert decide(stranger, space, Need.READ) is Verdict.FORBID
    assert decide(stranger, space, Need.PROPOSE) is Verdict.FORBID
    assert decide(member, space, Need.READ) is Verdict.ALLOW
