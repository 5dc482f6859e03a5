"""The branches and tags of a repository: the list, making and deleting them."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.base.names import MAIN
from openhood.domain.repos import branches, tags
from openhood.http.context import Call
from openhood.http.pages.files.places import routes, short
from openhood.http.pages.repo_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_MOST = 300


async def get_refs(call: Call) -> Response:
    """The branches and tags."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_refs(call: Call) -> Response:
    """Make or delete a branch or a tag."""
    acts = {"branch": _branch, "tag": _tag, "delete-branch": _delete_branch, "delete-tag": _delete_tag}
    return await desk.answer(call, acts, _show)


async def _branch(call: Call, form: Form) -> str:
    await call.act(
        branches.create_branch,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        branch=form.one("name").strip(),
        starting_point=form.one("from").strip() or None,
        empty=False,
        overwrite=False,
    )
    return forms.said(forms.here(call), "ref")


async def _tag(call: Call, form: Form) -> str:
    await call.act(
        tags.create_tag,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=form.one("from").strip() or "main",
        tag=form.one("name").strip(),
        message=form.one("message").strip() or None,
    )
    return forms.said(forms.here(call), "ref")


async def _delete_branch(call: Call, form: Form) -> str:
    name = form.one("name")
    form.check_confirmed(name)
    await call.act(branches.delete_branch, repo_type=call.repo_type, repo_id=call.repo_id, branch=name)
    return forms.said(forms.here(call), "deleted")


async def _delete_tag(call: Call, form: Form) -> str:
    name = form.one("name")
    form.check_confirmed(name)
    await call.act(tags.delete_tag, repo_type=call.repo_type, repo_id=call.repo_id, tag=name)
    return forms.said(forms.here(call), "deleted")


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    found = await call.act(
        branches.list_refs, repo_type=call.repo_type, repo_id=call.repo_id, include_prs=False
    )
    ordered = sorted(found.branches, key=lambda ref: ref.name != MAIN)
    return await desk.show_page(
        call,
        "settings/repo_refs.html",
        active="refs",
        form=form,
        error=error,
        branches=[(short(ref.name), ref.commit_oid) for ref in ordered[:_MOST]],
        tags=[(short(ref.name), ref.commit_oid) for ref in found.tags[:_MOST]],
        is_cut=max(len(ordered), len(found.tags)) > _MOST,
    )


ROUTES = routes((("GET", "/settings/refs", get_refs), ("POST", "/settings/refs", post_refs)))
