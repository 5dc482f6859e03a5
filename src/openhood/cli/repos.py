"""``openhood repo …``: administrators look at repositories of anybody and change them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from openhood.base.names import RepoId, RepoType
from openhood.cli.options import Data, opened
from openhood.cli.output import AsJson, Yes, confirm, refusals, refuse, write_done, write_facts, write_rows
from openhood.domain.access import SYSTEM

if TYPE_CHECKING:
    from openhood.domain.repos.lifecycle import SettingsChange
    from openhood.domain.repos.listing_rows import Listed
    from openhood.domain.services import Services

app = typer.Typer(help="Look at repositories and change them.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the repository: namespace/name.")]
Type = Annotated[str, typer.Option("--type", help="model, dataset or space.")]
_PAGE = 1000


@app.command("create")
@refusals
def create(
    repo_id: Id,
    repo_type: Type = "model",
    visibility: Annotated[
        str | None,
        typer.Option(help="public, private or, for spaces, protected; unset: the namespace's default."),
    ] = None,
    sdk: Annotated[str | None, typer.Option(help="SDK of a space: gradio, docker, static …")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Create a repository in any namespace."""
    from openhood.domain.repos import lifecycle

    kind, wanted = _type(repo_type), RepoId.parse(repo_id)
    new = lifecycle.NewRepo(
        type=kind,
        namespace=wanted.namespace,
        name=wanted.name,
        visibility=visibility,
        card={} if sdk is None else {"sdk": sdk},
    )
    with opened(data, create=False) as sv:
        repo = lifecycle.create_repo(sv, SYSTEM, new=new)
    write_done(
        f"Created the {kind} {repo.repo_id}.",
        as_json=as_json,
        type=kind.value,
        id=str(repo.repo_id),
        visibility=repo.visibility,
    )


@app.command("list")
@refusals
def list_repos(
    repo_type: Annotated[
        str | None, typer.Option("--type", help="model, dataset or space; unset: all of them.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Name of a user or organization.")] = None,
    search: Annotated[str | None, typer.Option(help="Part of the id.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List repositories by id, private ones too."""
    types = tuple(RepoType) if repo_type is None else (_type(repo_type),)
    with opened(data, create=False) as sv:
        rows = [_facts(listed) for listed in _all_repos(sv, types, owner=owner, search=search)]
    write_rows(rows, as_json=as_json, empty="There are no repositories.")


@app.command("show")
@refusals
def show(repo_id: Id, repo_type: Type = "model", data: Data = None, as_json: AsJson = False) -> None:
    """Show a repository."""
    from openhood.domain.repos import listing

    with opened(data, create=False) as sv:
        info = listing.get_info(
            sv,
            SYSTEM,
            repo_type=_type(repo_type),
            repo_id=RepoId.parse(repo_id),
            revision=None,
            siblings=True,
            blobs=False,
        )
    facts = _facts(info.listed) | {
        "commit": info.commit,
        "files": len(info.siblings or ()),
        "library": info.listed.tip.library_name,
        "pipeline": info.listed.tip.pipeline_tag,
        "downloads": info.listed.downloads,
    }
    write_facts(facts, as_json=as_json)


@app.command("delete")
@refusals
def delete(
    repo_id: Id, repo_type: Type = "model", yes: Yes = False, data: Data = None, as_json: AsJson = False
) -> None:
    """Delete a repository with its whole history."""
    from openhood.domain.repos import lifecycle

    kind, wanted = _type(repo_type), RepoId.parse(repo_id)
    confirm(f"Delete the {kind} {wanted} with its whole history?", yes=yes)
    with opened(data, create=False) as sv:
        lifecycle.delete_repo(sv, SYSTEM, repo_type=kind, repo_id=wanted)
    write_done(
        f"Deleted the {kind} {wanted}.", as_json=as_json, type=kind.value, id=str(wanted), deleted=True
    )


@app.command("move")
@refusals
def move(
    repo_id: Id,
    new_id: Annotated[str, typer.Argument(help="The new id: namespace/name.")],
    repo_type: Type = "model",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give a repository another id; the old one redirects to it from then on."""
    from openhood.domain.repos import lifecycle

    kind = _type(repo_type)
    with opened(data, create=False) as sv:
        moved = lifecycle.move_repo(
            sv, SYSTEM, repo_type=kind, old=RepoId.parse(repo_id), new=RepoId.parse(new_id)
        )
    write_done(
        f"The {kind} {repo_id} is now {moved.repo_id}.",
        as_json=as_json,
        type=kind.value,
        id=str(moved.repo_id),
        old_id=repo_id,
    )


@app.command("visibility")
@refusals
def visibility(
    repo_id: Id,
    value: Annotated[str, typer.Argument(help="public, private or, for spaces, protected.")],
    repo_type: Type = "model",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Choose who may see a repository."""
    from openhood.domain.repos.lifecycle import SettingsChange

    _update(repo_id, repo_type, SettingsChange(visibility=value), data, as_json)


@app.command("gate")
@refusals
def gate(
    repo_id: Id,
    value: Annotated[str, typer.Argument(help="auto, manual, or off.")],
    repo_type: Type = "model",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Gate a repository's content: who wants it has to ask; 'off' opens it again."""
    from openhood.domain.repos.lifecycle import SettingsChange

    if value not in ("auto", "manual", "off"):
        raise refuse(f"The gate must be auto, manual or off, not {value!r}.")
    _update(repo_id, repo_type, SettingsChange(gated="" if value == "off" else value), data, as_json)


@app.command("disable")
@refusals
def disable(repo_id: Id, repo_type: Type = "model", data: Data = None, as_json: AsJson = False) -> None:
    """Close a repository to everybody but administrators, keeping what it holds."""
    from openhood.domain.repos.lifecycle import SettingsChange

    _update(repo_id, repo_type, SettingsChange(is_disabled=True), data, as_json)


@app.command("enable")
@refusals
def enable(repo_id: Id, repo_type: Type = "model", data: Data = None, as_json: AsJson = False) -> None:
    """Open a disabled repository again."""
    from openhood.domain.repos.lifecycle import SettingsChange

    _update(repo_id, repo_type, SettingsChange(is_disabled=False), data, as_json)


@app.command("hide")
@refusals
def hide(repo_id: Id, repo_type: Type = "model", data: Data = None, as_json: AsJson = False) -> None:
    """Take a repository out of sight: private, until an administrator shows it again."""
    _set_hidden(repo_id, repo_type, data, as_json, is_hidden=True)


@app.command("show-again")
@refusals
def show_again(repo_id: Id, repo_type: Type = "model", data: Data = None, as_json: AsJson = False) -> None:
    """Make a repository public again that was taken out of sight."""
    _set_hidden(repo_id, repo_type, data, as_json, is_hidden=False)


@app.command("alias")
@refusals
def alias(
    name: Annotated[str, typer.Argument(help="The single name, such as gpt2.")],
    target: Annotated[str | None, typer.Argument(help="The id it stands for: namespace/name.")] = None,
    repo_type: Type = "model",
    delete_it: Annotated[bool, typer.Option("--delete", help="Remove the alias.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Let a single name stand for a repository, as gpt2 does on huggingface.co."""
    from openhood.domain.repos import aliases

    kind = _type(repo_type)
    if delete_it == (target is not None):
        raise refuse("Give the id the alias stands for, or --delete.")
    with opened(data, create=False) as sv:
        if target is not None:
            aliases.set_alias(sv, SYSTEM, repo_type=kind, name=name, target=RepoId.parse(target))
        elif not aliases.delete_alias(sv, SYSTEM, repo_type=kind, name=name):
            raise refuse(f"There is no alias {name!r} for a {kind}.")
    sentence = f"{name} stands for {target}." if target is not None else f"The alias {name} was removed."
    write_done(sentence, as_json=as_json, type=kind.value, name=name, target=target)


@app.command("aliases")
@refusals
def list_aliases(data: Data = None, as_json: AsJson = False) -> None:
    """List every alias."""
    from openhood.domain.repos import aliases

    with opened(data, create=False) as sv:
        rows = [
            {"type": each.type.value, "name": each.name, "target": str(each.target)}
            for each in aliases.list_aliases(sv, SYSTEM)
        ]
    write_rows(rows, as_json=as_json, empty="There are no aliases.")


def _type(text: str) -> RepoType:
    found = RepoType.from_plural(text) or next((kind for kind in RepoType if kind.value == text), None)
    if found is None:
        raise refuse(f"Unknown repository type {text!r}. Use model, dataset or space.")
    return found


def _update(repo_id: str, repo_type: str, change: SettingsChange, data: Data, as_json: bool) -> None:
    from openhood.domain.repos import lifecycle

    kind = _type(repo_type)
    with opened(data, create=False) as sv:
        repo = lifecycle.update_settings(
            sv, SYSTEM, repo_type=kind, repo_id=RepoId.parse(repo_id), change=change
        )
    state = f"{repo.visibility}, {f'gated ({repo.gated})' if repo.gated else 'not gated'}"
    write_done(
        f"The {kind} {repo.repo_id} is {state}{', disabled' if repo.is_disabled else ''}.",
        as_json=as_json,
        type=kind.value,
        id=str(repo.repo_id),
        visibility=repo.visibility,
        gated=repo.gated or False,
        disabled=repo.is_disabled,
    )


def _set_hidden(repo_id: str, repo_type: str, data: Data, as_json: bool, *, is_hidden: bool) -> None:
    from openhood.domain.moderation import actions

    kind, name = _type(repo_type), RepoId.parse(repo_id)
    with opened(data, create=False) as sv:
        actions.hide_repo(sv, SYSTEM, repo_type=kind, repo_id=name, is_hidden=is_hidden)
    state = "out of sight" if is_hidden else "public again"
    write_done(f"The {kind} {name} is {state}.", as_json=as_json, id=str(name), hidden=is_hidden)


def _all_repos(
    sv: Services, types: tuple[RepoType, ...], *, owner: str | None, search: str | None
) -> Iterator[Listed]:
    from openhood.domain.discovery import lists
    from openhood.domain.discovery.wanted import Order, Wanted

    wanted = Wanted(types, author=owner, searches=(search,) if search else ())
    cursor = None
    while True:
        page = lists.list_repos(
            sv,
            SYSTEM,
            wanted=wanted,
            order=Order("id", descending=False),
            cursor=cursor,
            limit=_PAGE,
            with_card=False,
            siblings=False,
        )
        yield from (item.listed for item in page.items)
        if page.cursor is None:
            return
        cursor = page.cursor


def _facts(listed: Listed) -> dict[str, object]:
    repo = listed.repo
    return {
        "type": repo.type.value,
        "id": str(repo.repo_id),
        "visibility": repo.visibility,
        "gated": repo.gated or False,
        "disabled": repo.is_disabled,
        "bytes": listed.used_storage_bytes,
        "modified": repo.last_modified,
    }
