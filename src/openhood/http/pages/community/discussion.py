"""The page of a discussion or a pull request: what happened, what it changes, and everything people do about it.

Each form names its deed in ``do`` and goes to one address, so that all of them work without scripts and come back with
what was typed where they were refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from openhood.base.errors import BadRequest, Forbidden, HubError, NotFound
from openhood.base.names import RefName
from openhood.domain.access import Need
from openhood.domain.discussions import actions, comments, diffs, merging, moderating
from openhood.domain.discussions.types import Told
from openhood.domain.notifications import actions as notifications
from openhood.domain.reviews import seeing
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages import repo_shown
from openhood.http.pages.commits.changes import show_change, show_review
from openhood.http.pages.community.listing import disabled_page, here, is_refusal, preview_of
from openhood.http.pages.community.timeline import Powers, entries_of, powers_of
from openhood.http.pages.files.places import routes, short
from openhood.http.pages.going import go, to_login
from openhood.http.pages.render import page
from openhood.http.pages.repo_shown import Shown

Form = Mapping[str, str]
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class _Read:
    """A discussion with the head of its page and what the viewer may do."""

    shown: Shown
    told: Told
    powers: Powers


def _number(call: Call) -> int:
    text = call.params["number"]
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text):
        return int(text)
    raise NotFound(f"There is no discussion {text[:20]!r}.")


async def _read(call: Call) -> _Read | Response:
    """Return the discussion, or the page that says that there are none here."""
    number = _number(call)
    shown = await repo_shown.load(call, "community")
    try:
        told = await call.act(
            actions.get_details, repo_type=call.repo_type, repo_id=call.repo_id, number=number
        )
    except Forbidden as error:
        return await disabled_page(call, shown, error)
    return _Read(shown, told, powers_of(await call.viewer(), shown.standing, told))


async def _pull(call: Call) -> _Read | Response:
    """Return the pull request. Raises: NotFound for a discussion, which has neither commits nor files."""
    read = await _read(call)
    if isinstance(read, _Read) and not read.told.discussion.is_pull:
        raise NotFound(f"#{read.told.discussion.number} is a discussion: there are no files in it.")
    return read


# --- looking -----------------------------------------------------------------------------------


async def get_discussion(call: Call) -> Response:
    """The conversation: where ``pullRequestUrl`` leads."""
    return await _talk_page(call, {}, error=None)


async def _talk_page(
    call: Call, form: Form, *, error: HubError | None, preview: bool = False, editing: str | None = None
) -> Response:
    read = await _read(call)
    if isinstance(read, Response):
        return read
    told, discussion = read.told, read.told.discussion
    await call.act(notifications.mark_looked_at, discussion=discussion.hex_id)
    conflicts: tuple[str, ...] = ()
    if discussion.is_pull and discussion.is_open:
        content = await call.act(
            diffs.show,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            number=discussion.number,
            with_diff=False,
        )
        conflicts = content.conflicts
    return await _show(
        call,
        read,
        "community/discussion.html",
        tab="talk",
        status=200 if error is None else error.status,
        entries=await call.run(
            entries_of,
            await call.viewer(),
            told,
            read.powers,
            with_all=call.query_flag("all", default=False),
        ),
        conflicts=conflicts[:_MOST_NAMED],
        conflict_count=len(conflicts),
        may_propose=read.shown.standing.may(Need.PROPOSE),
        form={"do": "", "text": "", "title": "", **form},
        editing=editing,
        preview=await preview_of(call, form.get("text", ""), read.shown) if preview else None,
        error=None if error is None else error.message,
    )


async def _show(
    call: Call, read: _Read, template: str, *, tab: str, status: int = 200, **values: object
) -> Response:
    discussion = read.told.discussion
    author = None if discussion.author_id is None else read.told.people.get(discussion.author_id)
    return await page(
        call,
        template,
        status=status,
        shown=read.shown,
        discussion=discussion,
        author=author,
        powers=read.powers,
        tab=tab,
        at=f"{read.shown.web}/discussions/{discussion.number}",
        base=short(discussion.base or RefName("")),
        **values,
    )


async def get_commits(call: Call) -> Response:
    """The commits that a pull request is made of."""
    read = await _pull(call)
    if isinstance(read, Response):
        return read
    found = await call.act(
        seeing.list_pull_commits,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=read.told.discussion.number,
    )
    return await _show(call, read, "community/pull_commits.html", tab="commits", commits=found)


async def get_files(call: Call) -> Response:
    """What a pull request changes: its meaning for models and data, then the text."""
    read = await _pull(call)
    if isinstance(read, Response):
        return read
    ends = await call.act(
        diffs.find_ends,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=read.told.discussion.number,
        need=Need.INFO,
    )
    if call.query("part") == "review":
        review = await show_review(call, repo=ends.repo, base=ends.start, head=ends.head)
        return await page(call, "commits/review.html", review=review)
    return await _show(
        call,
        read,
        "community/pull_files.html",
        tab="files",
        change=await show_change(call, repo=ends.repo, base=ends.start, head=ends.head),
    )


# --- doing -------------------------------------------------------------------------------------


async def post_discussion(call: Call) -> Response:
    """Carry out what a form of the page asks for, and go back to it."""
    call.check_origin()
    form = dict(await bodies.read_form(call))
    if (await call.viewer()).is_anonymous:
        await repo_shown.load(call, "community")
        return to_login(here(call))
    do = form.get("do", "")
    if do == "preview":
        return await _talk_page(call, form, error=None, preview=True)
    deed = _DEEDS.get(do)
    if deed is None:
        raise BadRequest("The form does not say what to do.")
    try:
        target = await deed(call, form)
    except HubError as error:
        if not is_refusal(error):
            raise
        return await _talk_page(call, form, error=error)
    return go(target)


async def _comment(call: Call, form: Form) -> str:
    told = await call.act(
        actions.comment,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        text=form.get("text", ""),
        hub_url=call.base_url,
    )
    return f"{here(call)}#e-{told.events[0].hex_id}"


async def _close(call: Call, form: Form) -> str:
    return await _set_status(call, form, "closed")


async def _open(call: Call, form: Form) -> str:
    return await _set_status(call, form, "open")


async def _set_status(call: Call, form: Form, status: str) -> str:
    told = await call.act(
        actions.change_status,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        status=status,
        comment=form.get("text", ""),
        hub_url=call.base_url,
    )
    return f"{here(call)}#e-{told.events[0].hex_id}"


async def _merge(call: Call, form: Form) -> str:
    await call.act(
        merging.merge,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        comment=form.get("text", ""),
        hub_url=call.base_url,
    )
    return here(call)


async def _rename(call: Call, form: Form) -> str:
    await call.act(
        actions.rename,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        title=form.get("title", ""),
    )
    return here(call)


def _setting(what: str, *, on: bool) -> Callable[[Call, Form], Awaitable[str]]:
    async def deed(call: Call, _form: Form) -> str:
        if what == "pin":
            await call.act(
                moderating.set_pinned,
                repo_type=call.repo_type,
                repo_id=call.repo_id,
                number=_number(call),
                is_pinned=on,
            )
        else:
            await call.act(
                moderating.set_locked,
                repo_type=call.repo_type,
                repo_id=call.repo_id,
                number=_number(call),
                is_locked=on,
            )
        return here(call)

    return deed


async def _delete(call: Call, form: Form) -> str:
    number = _number(call)
    if form.get("sure", "").strip() != f"#{number}":
        raise BadRequest(f"Type #{number} to delete it with everything that was said in it.")
    await call.act(
        moderating.delete_discussion, repo_type=call.repo_type, repo_id=call.repo_id, number=number
    )
    return here(call).rpartition("/")[0]


_DEEDS: Mapping[str, Callable[[Call, Form], Awaitable[str]]] = {
    "comment": _comment,
    "close": _close,
    "open": _open,
    "merge": _merge,
    "rename": _rename,
    "pin": _setting("pin", on=True),
    "unpin": _setting("pin", on=False),
    "lock": _setting("lock", on=True),
    "unlock": _setting("lock", on=False),
    "delete": _delete,
}


async def get_edit(call: Call) -> Response:
    """The conversation with one's own comment open for editing."""
    if (await call.viewer()).is_anonymous:
        await repo_shown.load(call, "community")
        return to_login(here(call))
    return await _talk_page(call, {}, error=None, editing=call.params["comment"])


async def post_edit(call: Call) -> Response:
    """Put a comment better, or hide it."""
    call.check_origin()
    form = dict(await bodies.read_form(call))
    if (await call.viewer()).is_anonymous:
        await repo_shown.load(call, "community")
        return to_login(here(call))
    number, comment = _number(call), call.params["comment"]
    try:
        if form.get("do") == "hide":
            await call.act(
                comments.hide_comment,
                repo_type=call.repo_type,
                repo_id=call.repo_id,
                number=number,
                comment_id=comment,
            )
        else:
            await call.act(
                comments.edit_comment,
                repo_type=call.repo_type,
                repo_id=call.repo_id,
                number=number,
                comment_id=comment,
                text=form.get("text", ""),
            )
    except HubError as error:
        if not is_refusal(error):
            raise
        return await _talk_page(call, {"edited": form.get("text", "")}, error=error, editing=comment)
    talk = here(call).rpartition("/comment/")[0]
    return go(f"{talk}#e-{quote(comment)}")


ROUTES = routes(
    (
        ("GET", "/discussions/{number}", get_discussion),
        ("POST", "/discussions/{number}", post_discussion),
        ("GET", "/discussions/{number}/commits", get_commits),
        ("GET", "/discussions/{number}/files", get_files),
        ("GET", "/discussions/{number}/comment/{comment}", get_edit),
        ("POST", "/discussions/{number}/comment/{comment}", post_edit),
    )
)
