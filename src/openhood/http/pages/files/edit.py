"""Changing one file in the browser: editing, creating, renaming and deleting, straight to a branch or as a pull request.

Every form works without scripts. A race that was lost is told, and what was typed is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from starlette.responses import Response

from openhood.base.errors import BadRequest, BranchMoved, EntryNotFound, HubError, Unauthorized
from openhood.base.names import Oid, parse_path
from openhood.domain.access import Viewer
from openhood.domain.repos import commits, editing, viewing
from openhood.domain.repos.editing import Desk
from openhood.domain.repos.operations import (
    AddFile,
    AddLfsFile,
    CommitHeader,
    CommitResult,
    DeleteEntry,
    Operation,
)
from openhood.domain.repos.viewing import Seen
from openhood.domain.services import Services
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages.files import views
from openhood.http.pages.files.places import Place, routes, segments_of, shown_of
from openhood.http.pages.going import go, to_login
from openhood.http.pages.render import page

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form says of the change: message, where it goes, and the commit that it is based on."""

    summary: str
    description: str
    as_pull: bool
    parent: str

    @property
    def header(self) -> CommitHeader:
        """The commit's header."""
        return CommitHeader(self.summary, self.description, self.parent or None)


@dataclass(frozen=True, slots=True)
class _Opened:
    desk: Desk
    place: Place
    seen: Seen | None
    text: str | None


async def opened_desk(call: Call) -> Desk | Response:
    """Return where a change would go; whoever is not signed in does that first."""
    try:
        return await call.act(
            editing.open_desk, repo_type=call.repo_type, repo_id=call.repo_id, segments=segments_of(call)
        )
    except Unauthorized:
        if not (await call.viewer()).is_anonymous:
            raise
        return to_login(call.request.scope["raw_path"].decode("latin-1").split("?")[0])


def place_at(desk: Desk, path: str | None = None) -> Place:
    """Return the place of a desk, or of another path on it."""
    return Place(desk.repo, desk.revision, desk.path if path is None else path, desk.tip, desk.ref)


def draft_of(desk: Desk, form: Form, *, otherwise: str) -> Draft:
    """Read what all forms of changes have in common. *Args*: ``otherwise`` is the message where none was typed."""
    as_pull = (form.get("goes") == "pull" or not desk.may_commit) and desk.may_propose
    # A pull request begins where its author saw the file, so that no later change is undone by it.
    base = (form.get("seen", "") if as_pull else "") or form.get("parent", "")
    return Draft(
        form.get("summary", "").strip() or otherwise,
        form.get("description", "").replace("\r\n", "\n"),
        as_pull,
        base,
    )


async def commit(call: Call, desk: Desk, draft: Draft, operations: list[Operation]) -> CommitResult:
    """Commit what a form asks for. Raises what `commits.create_commit` raises."""
    return await call.act(
        commits.create_commit,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=desk.ref,
        header=draft.header,
        operations=operations,
        create_pr=draft.as_pull,
    )


def done(place: Place, result: CommitResult, *, word: str) -> Response:
    """Lead on from a commit: to the pull request it opened, or back to the files."""
    if result.pull_request is not None:
        return go(f"{place.web}/discussions/{result.pull_request}")
    return go(place.to(word))


def refused(error: HubError) -> None:
    """Let pass what a form can show; the rest is not the person's to correct."""
    if not editing.is_refusal(error) or (isinstance(error, Unauthorized)):
        raise error


# --- editing and creating -----------------------------------------------------------------------------


async def get_edit(call: Call) -> Response:
    """The form with the file's text."""
    desk = await opened_desk(call)
    if isinstance(desk, Response):
        return desk
    opened = await call.act(_open, call=call, desk=desk)
    return await _edit_page(call, opened, {"path": desk.path, "content": opened.text or ""}, is_new=False)


async def get_new(call: Call) -> Response:
    """An empty form; a path in the address is the folder that it begins in."""
    desk = await opened_desk(call)
    if isinstance(desk, Response):
        return desk
    opened = _Opened(desk, place_at(desk), None, "")
    folder = f"{desk.path}/" if desk.path else ""
    return await _edit_page(
        call, opened, {"path": folder + (call.query("name") or ""), "content": ""}, is_new=True
    )


async def post_edit(call: Call) -> Response:
    """Commit the text, under another name if the form says so."""
    call.check_origin()
    desk = await opened_desk(call)
    if isinstance(desk, Response):
        return desk
    form = await _form(call)
    try:
        opened = await call.act(_open, call=call, desk=desk)
    except EntryNotFound as error:
        # Deleted meanwhile: what was typed may become a new file.
        gone = _Opened(desk, place_at(desk), None, "")
        return await _edit_page(call, gone, form, is_new=True, error=error)
    try:
        new_path = parse_path(form.get("path", "").strip())
        is_moved = new_path != desk.path
        message = f"Rename {desk.path} to {new_path}" if is_moved else f"Update {opened.place.name}"
        draft = draft_of(desk, form, otherwise=message)
        operation = await call.act(_change, opened=opened, form=form, new_path=new_path)
        if is_moved:
            await _check_free(call, desk, new_path)
        result = await _commit_rebased(call, desk, draft, operation)
    except HubError as error:
        refused(error)
        if isinstance(error, BranchMoved):
            desk = replace(desk, tip=await _tip(call, desk))
            opened = replace(opened, desk=desk)
        return await _edit_page(call, opened, form, is_new=False, error=error)
    return done(place_at(desk, new_path), result, word="blob")


async def _commit_rebased(call: Call, desk: Desk, draft: Draft, operation: Operation) -> CommitResult:
    """Commit on top of what others did to other files. Raises BranchMoved where they changed the same one."""
    try:
        return await commit(call, desk, draft, [operation])
    except BranchMoved:
        tip = await _tip(call, desk)
        if tip is None or await call.act(_is_touched, call=call, desk=desk, revisions=(draft.parent, tip)):
            raise
        return await commit(call, desk, replace(draft, parent=tip), [operation])


async def _tip(call: Call, desk: Desk) -> Oid | None:
    """Return where the branch is now."""
    fresh = await opened_desk(call)
    return fresh.tip if isinstance(fresh, Desk) else desk.tip


def _is_touched(sv: Services, viewer: Viewer, *, call: Call, desk: Desk, revisions: tuple[str, str]) -> bool:
    """Tell whether a file is another one at two revisions; what cannot be told may be."""
    found = []
    for revision in revisions:
        segments = [revision, *desk.path.split("/")]
        try:
            seen = viewing.see(sv, viewer, repo_type=call.repo_type, repo_id=call.repo_id, segments=segments)
        except HubError:
            return True
        if not seen.may_read:
            return True
        found.append(seen.oid)
    return found[0] != found[1]


async def post_new(call: Call) -> Response:
    """Commit a new file; a path that is taken is refused."""
    call.check_origin()
    desk = await opened_desk(call)
    if isinstance(desk, Response):
        return desk
    form = await _form(call)
    opened = _Opened(desk, place_at(desk), None, "")
    try:
        path = parse_path(form.get("path", "").strip())
        draft = draft_of(desk, form, otherwise=f"Create {path.rpartition('/')[2]}")
        await _check_free(call, desk, path)
        result = await commit(call, desk, draft, [AddFile(path, _bytes(form, crlf=False))])
    except HubError as error:
        refused(error)
        return await _edit_page(call, opened, form, is_new=True, error=error)
    return done(place_at(desk, path), result, word="blob")


def _open(sv: Services, viewer: Viewer, *, call: Call, desk: Desk) -> _Opened:
    seen = viewing.see(
        sv, viewer, repo_type=call.repo_type, repo_id=call.repo_id, segments=[desk.ref, *desk.path.split("/")]
    )
    if seen.kind in ("directory", "submodule"):
        raise EntryNotFound(f"'{desk.path[:200]}' is a folder. Choose a file in it.", commit=seen.at.commit)
    return _Opened(desk, place_at(desk), seen, views.editable_text(sv, seen))


def _change(sv: Services, viewer: Viewer, *, opened: _Opened, form: Form, new_path: str) -> Operation:
    """Return what the form asks for: of what is no text only the name can change."""
    seen = opened.seen
    assert seen is not None
    old = parse_path(opened.desk.path)
    path = parse_path(new_path)
    old_path = None if path == old else old
    if opened.text is not None:
        return AddFile(path, _bytes(form, crlf="\r\n" in opened.text), old_path)
    if old_path is None:
        raise BadRequest("Only text can be changed here. Upload the file anew, or give it another name.")
    if seen.blob is not None and seen.blob.pointer is not None:
        return AddLfsFile(path, seen.blob.pointer.oid, seen.blob.pointer.size_bytes, old_path)
    limit = sv.settings.limits.regular_file_bytes
    return AddFile(path, viewing.read_start(sv, seen, limit_bytes=limit), old_path)


async def _check_free(call: Call, desk: Desk, path: str) -> None:
    if desk.tip is not None and await call.act(_is_taken, call=call, desk=desk, path=path):
        raise BadRequest(f"There is a '{path[:200]}' already. Choose another name, or edit that file.")


def _is_taken(sv: Services, viewer: Viewer, *, call: Call, desk: Desk, path: str) -> bool:
    try:
        viewing.see(
            sv, viewer, repo_type=call.repo_type, repo_id=call.repo_id, segments=[desk.ref, *path.split("/")]
        )
    except EntryNotFound:
        return False
    return True


def _bytes(form: Form, *, crlf: bool) -> bytes:
    """Return the text of a form, which browsers send with CRLF whatever it had."""
    text = form.get("content", "").replace("\r\n", "\n")
    return (text.replace("\n", "\r\n") if crlf else text).encode("utf-8", "replace")


async def _edit_page(
    call: Call, opened: _Opened, form: Form, *, is_new: bool, error: HubError | None = None
) -> Response:
    return await page(
        call,
        "files/edit.html",
        status=200 if error is None else error.status,
        shown=await shown_of(call),
        place=opened.place,
        desk=opened.desk,
        seen=opened.seen,
        is_text=opened.text is not None,
        is_new=is_new,
        form=form,
        error=None if error is None else error.message,
        has_moved=isinstance(error, BranchMoved),
    )


# --- deleting --------------------------------------------------------------------------------------------


async def get_delete(call: Call) -> Response:
    """Ask for a message before a file or folder goes."""
    desk = await opened_desk(call)
    if isinstance(desk, Response):
        return desk
    return await _delete_page(call, desk, {})


async def post_delete(call: Call) -> Response:
    """Commit a deletion."""
    call.check_origin()
    desk = await opened_desk(call)
    if isinstance(desk, Response):
        return desk
    form = await _form(call)
    place = place_at(desk)
    try:
        draft = draft_of(desk, form, otherwise=f"Delete {place.name}")
        result = await commit(call, desk, draft, [DeleteEntry(parse_path(desk.path))])
    except HubError as error:
        refused(error)
        return await _delete_page(call, desk, form, error=error)
    return done(place_at(desk, ""), result, word="tree")


async def _delete_page(call: Call, desk: Desk, form: Form, *, error: HubError | None = None) -> Response:
    seen = await call.act(
        viewing.see,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        segments=[desk.ref, *desk.path.split("/")],
    )
    return await page(
        call,
        "files/delete.html",
        status=200 if error is None else error.status,
        shown=await shown_of(call),
        place=place_at(desk),
        desk=desk,
        seen=seen,
        form=form,
        error=None if error is None else error.message,
        has_moved=isinstance(error, BranchMoved),
        back=place_at(desk).to("tree" if seen.kind == "directory" else "blob"),
    )


async def _form(call: Call) -> dict[str, str]:
    return dict(await bodies.read_form(call))


ROUTES = routes(
    (
        ("GET", "/edit/{rev}/{path:path}", get_edit),
        ("POST", "/edit/{rev}/{path:path}", post_edit),
        ("GET", "/new/{rev}", get_new),
        ("POST", "/new/{rev}", post_new),
        ("GET", "/new/{rev}/{path:path}", get_new),
        ("POST", "/new/{rev}/{path:path}", post_new),
        ("GET", "/delete/{rev}/{path:path}", get_delete),
        ("POST", "/delete/{rev}/{path:path}", post_delete),
    )
)
