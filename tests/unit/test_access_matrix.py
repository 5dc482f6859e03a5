"""The whole policy at once: every caller against every kind of repository, and the laws that must hold there."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from openhood.cli.permissions import REPOSITORIES, TOKENS, callers
from openhood.domain.access import ANONYMOUS, Need, OrgRole, RepoFacts, Verdict, Viewer, decide

CALLERS = tuple(callers())
REPOS = [repo for _, repo in REPOSITORIES]
CASES = list(product(CALLERS, REPOSITORIES, Need))


def allows(viewer: Viewer, repo: RepoFacts, need: Need) -> bool:
    return decide(viewer, repo, need) is Verdict.ALLOW


def test_the_matrix_is_whole() -> None:
    assert len(CALLERS) == 1 + 11 * len(TOKENS)
    assert {need.value for need in Need} == {
        "info",
        "read",
        "discuss",
        "propose",
        "moderate",
        "write",
        "admin",
    }
    assert {
        verdict for caller, (_, repo), need in CASES for verdict in [decide(caller.viewer, repo, need)]
    } == set(Verdict)


def test_no_token_gives_more_than_its_user_may() -> None:
    for caller, (_, repo), need in CASES:
        if allows(caller.viewer, repo, need):
            assert allows(replace(caller.viewer, token=None), repo, need), (caller.name, repo, need)


def test_what_is_more_contains_what_is_less() -> None:
    stronger = (
        (Need.READ, Need.INFO),
        (Need.PROPOSE, Need.READ),
        (Need.PROPOSE, Need.DISCUSS),
        (Need.WRITE, Need.PROPOSE),
        (Need.WRITE, Need.READ),
        (Need.ADMIN, Need.INFO),
        (Need.MODERATE, Need.DISCUSS),
    )
    for caller, (name, repo) in product(CALLERS, REPOSITORIES):
        for more, less in stronger:
            if allows(caller.viewer, repo, more):
                assert allows(caller.viewer, repo, less), (caller.name, name, more, less)


def test_a_higher_role_loses_nothing() -> None:
    roles = sorted(OrgRole)
    for (_, grant), repo, need in product(TOKENS, REPOS, Need):
        given = [allows(Viewer(user_id=1, roles={10: role}, token=grant), repo, need) for role in roles]
        assert given == sorted(given), (grant, repo, need, given)


@pytest.mark.parametrize("need", [need for need in Need if need not in (Need.INFO, Need.READ)])
def test_nobody_and_read_tokens_change_nothing(need: Need) -> None:
    for repo in REPOS:
        assert not allows(ANONYMOUS, repo, need)
    for caller in CALLERS:
        if caller.viewer.token is not None and caller.viewer.token.role == "read":
            assert not any(allows(caller.viewer, repo, need) for repo in REPOS)


def test_what_is_private_is_hidden_alike_for_everything() -> None:
    for caller, repo in product(CALLERS, REPOS):
        if repo.is_private:
            verdicts = {decide(caller.viewer, repo, need) for need in Need}
            assert verdicts == {Verdict.HIDE} or Verdict.HIDE not in verdicts, (caller.name, repo)


def test_a_gate_stands_before_every_file_and_before_no_word() -> None:
    for caller, (name, repo) in product(CALLERS, REPOSITORIES):
        if decide(caller.viewer, repo, Need.READ) is Verdict.GATE:
            for need in (Need.PROPOSE, Need.WRITE, Need.ADMIN):
                assert decide(caller.viewer, repo, need) is Verdict.GATE, (caller.name, name, need)
            assert decide(caller.viewer, repo, Need.INFO) is Verdict.ALLOW
            assert decide(caller.viewer, repo, Need.DISCUSS) is not Verdict.GATE


def test_only_administrators_see_what_is_disabled() -> None:
    for caller, repo in product(CALLERS, REPOS):
        if repo.is_disabled and not caller.viewer.is_admin:
            assert {decide(caller.viewer, repo, need) for need in Need} <= {Verdict.DISABLED, Verdict.HIDE}
