"""One request as handlers see it: its parameters, who is asking, and how to run an action.

Credentials become a `Viewer` here and nowhere else in the doors.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from openhood.base.errors import BadRequest, Forbidden, InvalidCredentials, NotFound
from openhood.base.names import RepoId, RepoType, check_any_account_name, check_repo_name
from openhood.domain.access import ANONYMOUS, Viewer
from openhood.domain.accounts import sign_in
from openhood.domain.services import Services
from openhood.http.threads import Threads
from openhood.http.viewer.host import hub_host

SESSION_COOKIE = "openhood_session"

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """A request being answered. ``params`` are the decoded parts of the path."""

    request: Request
    sv: Services
    params: Mapping[str, str]
    threads: Threads
    dialect: str = "api"
    _viewer: Viewer | None = field(default=None, repr=False)
    _query: list[tuple[str, str]] | None = field(default=None, repr=False)

    @property
    def method(self) -> str:
        """The HTTP method, upper case."""
        return str(self.request.scope["method"])

    @property
    def known_viewer(self) -> Viewer | None:
        """Who is asking, if that was looked at already: an error must not look, and fail again."""
        return self._viewer

    async def act(
        self, action: Callable[Concatenate[Services, Viewer, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an action of the domain in a worker thread, as the viewer of this request."""
        return await self.threads.run(lambda: action(self.sv, self.viewer_in_thread(), *args, **kwargs))

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run anything that blocks in a worker thread."""
        return await self.threads.run(lambda: work(*args, **kwargs))

    async def viewer(self) -> Viewer:
        """Return who is asking. Raises InvalidCredentials for wrong, expired or revoked ones."""
        if self._viewer is None:
            self._viewer = await self.run(self.viewer_in_thread)
        return self._viewer

    def viewer_in_thread(self) -> Viewer:
        """Return who is asking; for code that is in a worker thread already."""
        if self._viewer is None:
            self._viewer = self._authenticate()
            self.request.scope["openhood.user"] = self._viewer.name
        return self._viewer

    def _authenticate(self) -> Viewer:
        header = self.request.headers.get("authorization")
        if header:
            scheme, _, value = header.partition(" ")
            if scheme.lower() == "bearer":
                return self._by_token(value.strip())
            if scheme.lower() == "basic":
                return self._by_basic(value.strip())
            raise InvalidCredentials
        session = self.request.cookies.get(SESSION_COOKIE)
        if not session:
            return ANONYMOUS
        if self.method not in ("GET", "HEAD", "OPTIONS"):
            self.check_origin()
        return sign_in.by_session(self.sv, session)

    def check_origin(self) -> None:
        """Raise Forbidden where another site's page made a browser send this request.

        ``SameSite=Lax`` keeps cookies from other sites, not from other ports of this host. A request with neither
        header comes from no browser.
        """
        headers = self.request.headers
        origin = headers.get("origin")
        if headers.get("sec-fetch-site", "") in ("same-origin", "none") or (
            origin is None and "sec-fetch-site" not in headers
        ):
            return
        settings = self.sv.settings
        trusted = [each.strip().rstrip("/") for each in settings.cors_origins.split(",") if each.strip()]
        if settings.public_url:
            trusted.append("{0.scheme}://{0.netloc}".format(urlsplit(settings.public_url)))
        same_host = origin is not None and urlsplit(origin).netloc == headers.get("host")
        if origin not in trusted and not (same_host and "sec-fetch-site" not in headers):
            raise Forbidden(
                "This request came from a page of another site, so it was not carried out. If this is the hub's own "
                "page, its operator must set OPENHOOD_PUBLIC_URL to the address in your browser."
            )

    def _by_basic(self, value: str) -> Viewer:
        try:
            user, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidCredentials from error
        # git may be given `user:token`, or the token alone as the user's name.
        if not user and not password:
            return ANONYMOUS
        return self._by_token(password or user)

    def _by_token(self, secret: str) -> Viewer:
        try:
            return sign_in.by_token(self.sv, secret)
        except InvalidCredentials:
            client = self.request.client
            sign_in.refuse_token(self.sv, secret, address=client.host if client else "")

    @property
    def repo_type(self) -> RepoType:
        """The repository type of this route. Raises NotFound for a kind this hub does not hold."""
        text = self.params["type"]
        found = RepoType.from_plural(text)
        if found is None:
            raise NotFound(f"This hub holds models, datasets and spaces, not {text}.")
        return found

    @property
    def repo_id(self) -> RepoId:
        """The repository id of this route. Raises InvalidName."""
        return RepoId(check_any_account_name(self.params["ns"]), check_repo_name(self.params["name"]))

    def query(self, name: str) -> str | None:
        """Return a query parameter, the last if repeated, or None."""
        found = None
        for key, value in self.query_pairs():
            if key == name:
                found = value
        return found

    def query_list(self, name: str, *, split_commas: bool = False) -> list[str]:
        """Return a list parameter in any client's spelling: ``k=a&k=b``, ``k[]=a``, and ``k=a,b`` on request."""
        found = [value for key, value in self.query_pairs() if key in (name, name + "[]")]
        if split_commas:
            found = [part for value in found for part in value.split(",")]
        return [value for value in found if value]

    def query_flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean parameter: ``true``, ``True`` and ``1`` count, also a bare name."""
        value = self.query(name)
        return default if value is None else value.lower() in ("", "1", "true", "yes", "on")

    def query_int(self, name: str, *, default: int, low: int, high: int) -> int:
        """Return an integer parameter, cut to ``low..high``. Raises BadRequest if it is no integer."""
        value = self.query(name)
        if value is None or value == "":
            return default
        try:
            return max(low, min(int(value), high))
        except ValueError as error:
            raise BadRequest(f"Query parameter '{name}' must be an integer, got {value[:40]!r}.") from error

    def query_pairs(self) -> list[tuple[str, str]]:
        """Return the query's parameters in order, decoded. Raises BadRequest."""
        if self._query is None:
            raw = self.request.scope["query_string"].decode("latin-1")
            try:
                self._query = parse_qsl(raw, keep_blank_values=True, max_num_fields=2000, errors="strict")
            except (ValueError, UnicodeDecodeError) as error:
                raise BadRequest(
                    "The query of the URL is not valid: too many fields, or not UTF-8."
                ) from error
        return self._query

    @property
    def base_url(self) -> str:
        """The hub's own address as this client wrote it, without a trailing slash.

        Clients refuse URLs of another host than their endpoint (``localhost`` is not ``127.0.0.1``),
        so unless the operator fixed one it follows the request's ``Host`` header. What was asked of the viewer's own
        name is answered with addresses of the hub, since that name serves nothing else.
        """
        fixed = self.sv.settings.public_url
        if fixed:
            return fixed
        scheme = self.request.scope["scheme"]
        host = self.request.headers.get("host") or f"{self.sv.settings.host}:{self.sv.settings.port}"
        return f"{scheme}://{hub_host(host)}"
