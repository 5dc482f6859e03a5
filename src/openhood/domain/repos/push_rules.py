"""Which refs a push may move at all: pure rules over the commands, the refs as they are, and who pushes.

What the pushed objects hold is looked at by `push_checks`, once these rules let a command through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openhood.base.errors import InvalidName
from openhood.base.names import MAIN, RefName, check_ref_tail
from openhood.domain.repos.pulls import Pull, number_of
from openhood.domain.repos.types import Ref
from openhood.engines.git.wire import RefCommand

# What git's own clients know and explain (`transport.c`): the remote has work they do not have.
STALE = "fetch first"
ATOMIC = "atomic push failed"


@dataclass(frozen=True, slots=True)
class Ground:
    """What the rules are asked over. ``refs`` are all refs of the repository by name."""

    refs: Mapping[RefName, Ref]
    pulls: Mapping[int, Pull]
    may_write: bool
    user_id: int | None


def pull_numbers(commands: Iterable[RefCommand]) -> list[int]:
    """Return the numbers of the pull requests whose refs the commands name."""
    numbers = (number_of(command.name) for command in commands)
    return [number for number in numbers if number is not None]


def judge(commands: Iterable[RefCommand], ground: Ground) -> dict[RefName, str]:
    """Return, for each ref that may not be moved as asked, the reason in one sentence."""
    commands = list(commands)
    refused: dict[RefName, str] = {}
    for command in commands:
        reason = _refusal(command, ground)
        if reason is not None:
            refused[command.name] = reason
    _refuse_crowding(commands, ground, refused)
    return refused


def _refusal(command: RefCommand, ground: Ground) -> str | None:
    number = number_of(command.name)
    if number is not None:
        reason = _pull_refusal(command, ground, number)
    else:
        reason = _name_refusal(command.name)
        if reason is None and not ground.may_write:
            reason = "you may not write to this repository: push to the ref of your own pull request only"
        if reason is None and command.is_delete and command.name == MAIN:
            reason = "the branch 'main' is protected: it may be changed, not deleted"
    if reason is not None:
        return reason
    present = ground.refs.get(command.name)
    if command.is_delete and present is None:
        return "there is no such ref"
    if command.is_create != (present is None) or (present is not None and present.oid != command.old):
        return STALE
    return None


def _pull_refusal(command: RefCommand, ground: Ground, number: int) -> str | None:
    pull = ground.pulls.get(number)
    if pull is None or command.name not in ground.refs:
        return f"there is no pull request {number} here: open one first, then push to its ref"
    if not ground.may_write and (ground.user_id is None or pull.author_id != ground.user_id):
        return f"pull request {number} is not yours"
    if not pull.is_open:
        return f"pull request {number} is {pull.status}"
    if command.is_delete:
        return "the ref of a pull request cannot be deleted: close the pull request"
    return None


def _name_refusal(name: RefName) -> str | None:
    if not name.startswith(("refs/heads/", "refs/tags/")):
        return "only branches (refs/heads/), tags (refs/tags/) and pull requests (refs/pr/N) can be pushed"
    try:
        check_ref_tail(name.split("/", 2)[2])
    except InvalidName as error:
        return error.message.rstrip(".")
    return None


def _refuse_crowding(commands: list[RefCommand], ground: Ground, refused: dict[RefName, str]) -> None:
    """Refuse ``a/b`` beside ``a``: git keeps refs as files in its clones, where only one can be."""
    creates = [command for command in commands if command.is_create and command.name not in refused]
    if not creates:
        return
    leaving = {command.name for command in commands if command.is_delete and command.name not in refused}
    taken = set(ground.refs) - leaving
    folders = {folder: name for name in taken for folder in _above(name)}
    for command in creates:
        other = next((folder for folder in _above(command.name) if folder in taken), None)
        other = other or folders.get(command.name)
        if other is not None:
            refused[command.name] = f"it cannot exist beside {other}"
            continue
        taken.add(command.name)
        folders.update((folder, command.name) for folder in _above(command.name))


def _above(name: RefName) -> list[RefName]:
    parts = name.split("/")
    return [RefName("/".join(parts[:length])) for length in range(3, len(parts))]
