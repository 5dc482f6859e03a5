"""What a repository takes in the store, its large files, and deleting them for good."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.repos import browse, lfs_files
from openhood.http.context import Call
from openhood.http.pages.files.places import routes
from openhood.http.pages.repo_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PER_PAGE = 100


async def get_storage(call: Call) -> Response:
    """The report, and the large files page by page."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_storage(call: Call) -> Response:
    """Delete the files that were ticked, for good."""
    return await desk.answer(call, {"delete": _delete}, _show)


async def _delete(call: Call, form: Form) -> str:
    chosen = form.all("file")
    if not chosen:
        raise BadRequest("Tick the files to delete.")
    form.check_confirmed(str(call.repo_id))
    await call.act(
        lfs_files.delete_files,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        file_oids=chosen,
        sha256s=(),
        rewrite_history=form.flag("history"),
    )
    return forms.said(forms.here(call), "deleted")


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    files, cursor = await call.act(
        lfs_files.list_files,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        cursor=call.query("cursor") or None,
        limit=_PER_PAGE,
    )
    path = forms.here(call)
    return await desk.show_page(
        call,
        "settings/repo_storage.html",
        active="storage",
        form=form,
        error=error,
        storage=await call.act(browse.get_storage, repo_type=call.repo_type, repo_id=call.repo_id),
        files=files,
        after=None if cursor is None else f"{path}?cursor={cursor}",
        first=path if call.query("cursor") else None,
    )


ROUTES = routes((("GET", "/settings/storage", get_storage), ("POST", "/settings/storage", post_storage)))
