"""Every route is walked as every kind of caller: none gives more than the policy of `domain.access` allows.

A route that this file does not know fails the test: whoever adds one says here what it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.route_needs import BODIES, ELSEWHERE, HEADERS, NEEDS, PARAMETERS
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import ANONYMOUS, Need, Verdict, decide
from openhood.domain.accounts import sign_in
from openhood.domain.repos import rows
from openhood.http.router import Route
from openhood.http.routes import ROUTES
from openhood.testing.hub import HubUnderTest

WRITING = ("POST", "PUT", "PATCH", "DELETE")
PLURALS = {"models": RepoType.MODEL, "datasets": RepoType.DATASET, "spaces": RepoType.SPACE}
KINDS = ("open", "closed", "gated")
NUMBER = re.compile(r"Root=[0-9a-f-]+")


def name_of(route: Route) -> str:
    """``api.repos.create``: the handler, by which the tables of needs know a route."""
    module = route.handler.__module__.removeprefix("openhood.http.")
    return f"{module}.{route.handler.__qualname__}"


def leads_to_login(answer: httpx.Response) -> bool:
    """Whether a page sends people to sign in first."""
    return answer.status_code in (302, 303) and "/login" in answer.headers.get("Location", "")


def is_of_repo(route: Route) -> bool:
    """Whether the route is below a repository."""
    return "{ns}" in route.template and ("{name}" in route.template or "{name}.git" in route.template)


@dataclass(frozen=True)
class Request:
    """One method of one route, for one type of repository."""

    route: Route
    method: str
    plural: str

    @property
    def key(self) -> str:
        """What the tables know it by."""
        return name_of(self.route)

    def send(self, client: httpx.Client, namespace: str, name: str) -> httpx.Response:
        """Ask it of a repository."""
        path = self.route.template.replace("{ns}", namespace).replace("{name}", name)
        for part in [piece for piece in path.replace(".git", "/.git").split("/") if piece.startswith("{")]:
            word = part[1:].split("}")[0].split(":")[0]
            value = self.plural if word == "type" else PARAMETERS[word]
            path = path.replace(part, value, 1)
        body = BODIES.get(self.key, {} if self.method in WRITING else None)
        if callable(body):
            body = body(f"{namespace}/{name}")
        headers = HEADERS.get(self.key, {})
        if isinstance(body, bytes):
            return client.request(self.method, path, content=body, headers=headers)
        return client.request(self.method, path, json=body, headers=headers)


def requests(*, of_all_types: bool = False) -> Iterator[Request]:
    """Every method of every route below a repository; those of a type of their own are one handler's."""
    for route in ROUTES:
        plural = route.fixed.get("type", "models")
        if is_of_repo(route) and (plural == "models" or (of_all_types and plural in PLURALS)):
            for method in route.methods:
                if method != "HEAD":
                    yield Request(route, method, plural)


class Stage:
    """Repositories of an organization, and everybody who may ask for them."""

    def __init__(self, hub: HubUnderTest) -> None:
        self.hub = hub
        roles = {"boss": "admin", "writer": "write", "helper": "contributor", "reader": "read"}
        tokens = {name: hub.add_user(name) for name in (*roles, "stranger")}
        hub.add_org("acme", roles)
        tokens["boss reads"] = hub.add_token("boss", role="read", name="reads")
        nothing = {"global": [], "scoped": []}
        tokens["boss may nothing"] = hub.add_token("boss", role="fineGrained", scopes=nothing, name="nothing")
        talk = {"entity": {"type": "org", "name": "acme"}, "permissions": ["discussion.write"]}
        tokens["boss may talk"] = hub.add_token(
            "boss", role="fineGrained", scopes={"global": [], "scoped": [talk]}, name="talk"
        )
        self.tokens: dict[str, str | None] = {"nobody": None, **tokens}
        self.clients = {who: hub.client(token) for who, token in self.tokens.items()}
        boss = self.clients["boss"]
        for kind in KINDS:
            for repo_type in PLURALS.values():
                new: dict[str, Any] = {"name": kind, "organization": "acme", "type": repo_type.value}
                if repo_type is RepoType.SPACE:
                    new["sdk"] = "static"
                made = boss.post("/api/repos/create", json={**new, "private": kind == "closed"})
                assert made.status_code == 200, made.text
                api = f"/api/{repo_type.plural}/acme/{kind}"
                for is_pull in (False, True):
                    opened = boss.post(
                        f"{api}/discussions",
                        json={"title": "One", "description": "Words", "pullRequest": is_pull},
                    )
                    assert opened.status_code == 200, opened.text
                if kind == "gated":
                    assert boss.put(f"{api}/settings", json={"gated": "manual"}).status_code == 200

    def verdict(self, who: str, request: Request, kind: str, need: Need) -> Verdict:
        """What the policy says."""
        token = self.tokens[who]
        sv = self.hub.sv
        viewer = ANONYMOUS if token is None else sign_in.by_token(sv, token)
        with sv.db.read() as tx:
            repo = rows.get_repo(tx, PLURALS[request.plural], RepoId("acme", kind))
        assert repo is not None
        return decide(viewer, repo.facts, need)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    hub = HubUnderTest()
    try:
        yield Stage(hub)
    finally:
        hub.close()


def test_every_route_is_known() -> None:
    unknown = {name_of(route) for route in ROUTES} - set(NEEDS) - set(ELSEWHERE)
    assert not unknown, "Say in tests/api/route_needs.py what these need."
    below = {name_of(route) for route in ROUTES if is_of_repo(route)}
    assert below <= set(NEEDS), "These are below a repository."
    assert set(NEEDS) | set(ELSEWHERE) <= {name_of(route) for route in ROUTES}


@pytest.mark.parametrize("who", ["nobody", "stranger", "boss may nothing"])
def test_what_is_private_is_as_what_is_missing(stage: Stage, who: str) -> None:
    client = stage.clients[who]
    told = []
    for request in requests(of_all_types=True):
        private = request.send(client, "acme", "closed")
        missing = request.send(client, "acme", "absent")
        shown = [
            (each.status_code, each.headers.get("X-Error-Code"), NUMBER.sub("", each.text.replace(name, "*")))
            for each, name in ((private, "closed"), (missing, "absent"))
        ]
        if shown[0] != shown[1] or private.is_success:
            told.append((request.method, request.route.template, shown))
    assert told == []


def test_no_route_gives_more_than_the_policy(stage: Stage) -> None:
    wrong = []
    for request in requests():
        need = NEEDS[request.key]
        if need is None:
            continue
        for kind in KINDS:
            for who, client in stage.clients.items():
                verdict = stage.verdict(who, request, kind, need)
                if verdict is Verdict.ALLOW:
                    continue
                answer = request.send(client, "acme", kind)
                hides = verdict is Verdict.FORBID and who != "nobody" and answer.status_code == 404
                if (answer.status_code not in (401, 403, 404) and not leads_to_login(answer)) or hides:
                    wrong.append(
                        (request.method, request.route.template, kind, who, verdict, answer.status_code)
                    )
    assert wrong == []


def test_reading_is_given_where_the_policy_gives_it(stage: Stage) -> None:
    wrong = []
    for request in requests():
        need = NEEDS[request.key]
        if need not in (Need.INFO, Need.READ) or request.method != "GET":
            continue
        for kind in KINDS:
            for who, client in stage.clients.items():
                if stage.verdict(who, request, kind, need) is not Verdict.ALLOW:
                    continue
                answer = request.send(client, "acme", kind)
                hidden = answer.headers.get("X-Error-Code") in ("RepoNotFound", "GatedRepo")
                if (
                    answer.status_code in (401, 403)
                    or hidden
                    or (answer.status_code >= 500 and answer.status_code != 501)
                ):
                    wrong.append((request.route.template, kind, who, answer.status_code, answer.text[:120]))
    assert wrong == []


@pytest.mark.parametrize("who", ["nobody", "stranger", "reader"])
def test_what_is_no_repository_asks_who_it_is(stage: Stage, who: str) -> None:
    wrong = []
    client = stage.clients[who]
    for route in ROUTES:
        wanted = ELSEWHERE.get(name_of(route))
        if wanted is None or is_of_repo(route):
            continue
        refused = {
            "everybody": (),
            "signed in": ("nobody",),
            "admin of acme": ("nobody", "stranger", "reader"),
        }
        refused["member of acme"] = ("nobody", "stranger")
        refused["hub admin"] = ("nobody", "stranger", "reader")
        refused["secret"] = ("nobody", "stranger", "reader")
        if who not in refused[wanted]:
            continue
        for method in route.methods:
            request = Request(route, method, "models")
            answer = request.send(client, "acme", "closed")
            if answer.status_code not in (401, 403, 404) and not leads_to_login(answer):
                wrong.append((method, route.template, wanted, answer.status_code, answer.text[:120]))
    assert wrong == []
