"""Which refs a push may move: the rules by themselves, without git and database."""

from __future__ import annotations

import pytest

from openhood.base.names import MAIN, ZERO_OID, Oid, RefName
from openhood.domain.repos.pulls import Pull
from openhood.domain.repos.push_rules import STALE, Ground, judge, pull_numbers
from openhood.domain.repos.types import Ref
from openhood.engines.git.wire import RefCommand

OLD, NEW = Oid("a" * 40), Oid("b" * 40)


def command(name: str, old: str = ZERO_OID, new: str = NEW) -> RefCommand:
    return RefCommand(Oid(old), Oid(new), RefName(name))


def ground(*names: str, may_write: bool = True, pulls: dict[int, Pull] | None = None) -> Ground:
    refs = {RefName(name): Ref(RefName(name), OLD, OLD) for name in names}
    return Ground(refs=refs, pulls=pulls or {}, may_write=may_write, user_id=1)


@pytest.mark.parametrize(
    ("asked", "names", "reason"),
    [
        (command("refs/heads/x"), [], None),
        (command("refs/tags/v1.0"), [], None),
        (command("refs/heads/a/b/c"), ["refs/heads/a/b/d", "refs/heads/a/c"], None),
        (command(MAIN, OLD), [MAIN], None),
        (command("refs/heads/x", OLD, ZERO_OID), ["refs/heads/x"], None),
        (command(MAIN, OLD, ZERO_OID), [MAIN], "the branch 'main' is protected"),
        (command(MAIN, NEW), [MAIN], STALE),
        (command(MAIN), [MAIN], STALE),
        (command(MAIN, OLD), [], STALE),
        (command("refs/heads/x", OLD, ZERO_OID), [], "there is no such ref"),
        (command("refs/heads/x", ZERO_OID, ZERO_OID), [], "there is no such ref"),
        (command("refs/heads/a/b"), ["refs/heads/a"], "cannot exist beside refs/heads/a"),
        (command("refs/heads/a"), ["refs/heads/a/b"], "cannot exist beside refs/heads/a/b"),
        (command("refs/stash"), [], "only branches"),
        (command("HEAD"), [], "only branches"),
        (command("refs/heads/"), [], "Invalid branch or tag name"),
        (command("refs/heads/a..b"), [], "Invalid branch or tag name"),
        (command("refs/pr/01"), [], "only branches"),
        (command("refs/pr/1"), [], "there is no pull request 1"),
    ],
)
def test_one_command(asked: RefCommand, names: list[str], reason: str | None) -> None:
    refused = judge([asked], ground(*names))
    if reason is None:
        assert refused == {}
    else:
        assert reason in refused[asked.name]


def test_a_branch_takes_the_place_of_a_folder_in_one_push_only() -> None:
    there = ground("refs/heads/a/b")
    assert judge([command("refs/heads/a"), command("refs/heads/a/b", OLD, ZERO_OID)], there) == {}
    two = [command("refs/heads/x"), command("refs/heads/x/y")]
    assert list(judge(two, ground())) == ["refs/heads/x/y"]


def test_pull_requests_belong_to_their_authors_and_to_writers() -> None:
    mine = Pull(1, "open", 1, MAIN)
    theirs = Pull(2, "draft", 2, MAIN)
    closed = Pull(3, "merged", 1, MAIN)
    names = [f"refs/pr/{number}" for number in (1, 2, 3)]
    commands = [command(name, OLD) for name in names] + [command("refs/heads/x")]
    pulls = {1: mine, 2: theirs, 3: closed}
    author = judge(commands, ground(*names, may_write=False, pulls=pulls))
    assert set(author) == {"refs/pr/2", "refs/pr/3", "refs/heads/x"}
    assert "merged" in author[RefName("refs/pr/3")]
    writer = judge(commands, ground(*names, pulls=pulls))
    assert set(writer) == {"refs/pr/3"}
    gone = judge([command("refs/pr/1", OLD, ZERO_OID)], ground(*names, pulls=pulls))
    assert "cannot be deleted" in gone[RefName("refs/pr/1")]
    assert pull_numbers(commands) == [1, 2, 3]
