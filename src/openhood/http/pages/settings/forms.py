"""Reading the forms of settings pages, and answering them: back to a page that says what was done, or what was wrong.

What a form does is decided by the field ``do``; the pages keep what was typed where an action refuses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from urllib.parse import quote, urlsplit

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError, InvalidCredentials, NotSupported, Unauthorized
from openhood.domain.access import OrgRole
from openhood.http import bodies
from openhood.http.api.accounts import role_of
from openhood.http.context import Call
from openhood.http.pages.going import go, to_login
from openhood.http.pages.render import page
from openhood.http.router import Handler, Route


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was sent; an empty one where a page is only looked at."""

    values: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def do(self) -> str:
        """What shall be done."""
        return self.one("do")

    def one(self, name: str) -> str:
        """Return a field, the last if repeated, or an empty text."""
        found = self.values.get(name)
        return found[-1] if found else ""

    def all(self, name: str) -> list[str]:
        """Return every value of a field: the boxes that were ticked."""
        return self.values.get(name, [])

    def flag(self, name: str) -> bool:
        """Tell whether a box was ticked."""
        return bool(self.one(name))

    def kept(self, do: str, name: str, otherwise: object = "") -> object:
        """Return what was typed into a field of the form that was refused, else what stands there now."""
        return self.one(name) if self.do == do else otherwise

    def check_confirmed(self, name: str) -> None:
        """Raise BadRequest unless the name of what is to go was typed once more."""
        if self.one("confirm").strip().lower() != name.lower():
            raise BadRequest(f"Type the name {name} to confirm. Nothing was changed.")

    def role(self, name: str = "role") -> OrgRole:
        """Return a role that was chosen. Raises BadRequest."""
        return role_of(self.one(name))

    def day_end(self, name: str, what: str) -> datetime | None:
        """Return the last second of a day that was chosen, or None. Raises BadRequest."""
        text = self.one(name)
        if not text:
            return None
        try:
            day = datetime.strptime(text, "%Y-%m-%d").date()
        except ValueError as error:
            raise BadRequest(f"The day on which {what} must be written YYYY-MM-DD.") from error
        return datetime.combine(day, time(23, 59, 59), UTC)


EMPTY = Form()

Act = Callable[[Call, Form], Awaitable[str | Response]]
"""Does what a form asks and returns where to go then, or the page that shows what cannot be shown again."""

Show = Callable[[Call, Form, HubError | None], Awaitable[Response]]
"""Shows the page: as it stands, or again with what was typed and what was wrong with it."""


async def read(call: Call) -> Form:
    """Return the form that this hub's own page sent. Raises Forbidden for another site's."""
    call.check_origin()
    found: dict[str, list[str]] = {}
    for name, value in await bodies.read_form(call):
        found.setdefault(name, []).append(value)
    return Form(found)


def expect(error: HubError) -> None:
    """Let pass what a form can show; what is broken inside the hub is not the person's to correct."""
    is_broken = error.status >= 500 and not isinstance(error, NotSupported)
    if is_broken or (isinstance(error, Unauthorized) and not isinstance(error, InvalidCredentials)):
        raise error


async def sign_in_first(call: Call) -> Response | None:
    """Return the way to the sign-in page for those who are not signed in, else None."""
    if not (await call.viewer()).is_anonymous:
        return None
    url = call.request.url
    return to_login(url.path + (f"?{url.query}" if url.query and call.method == "GET" else ""))


async def answer(call: Call, acts: Mapping[str, Act], show: Show) -> Response:
    """Do what a form asks: go on where it was done, show the page again where it was refused."""
    form = await read(call)
    act = acts.get(form.do)
    try:
        if act is None:
            raise BadRequest("The form does not say what to do. Load the page again.")
        done = await act(call, form)
    except HubError as error:
        expect(error)
        return await show(call, form, error)
    return go(done) if isinstance(done, str) else done


def said(path: str, word: str) -> str:
    """Return a path whose page says that something was done; ``word`` is a key of the notices in the templates."""
    return f"{path}?done={quote(word)}"


async def show_page(
    call: Call,
    template: str,
    *,
    active: str,
    form: Form,
    error: HubError | None,
    done: str | None = None,
    **values: object,
) -> Response:
    """Answer with a settings page: with the side navigation, and with what was done or was wrong.

    ``done`` is a key of the notices in the templates; where none is given, the address may say one.
    """
    if done is None and error is None and call.method == "GET":
        done = call.query("done")
    return await page(
        call,
        template,
        status=200 if error is None else error.status,
        active=active,
        form=form,
        error=None if error is None else error.message,
        done=done,
        **values,
    )


def here(call: Call) -> str:
    """Return the path of the page a form stands on."""
    return urlsplit(str(call.request.url)).path


def route(methods: str, template: str, handler: Handler) -> Route:
    """Return the route of a page."""
    return Route(tuple(methods.split()), template, handler, dialect="page", bucket="pages")
