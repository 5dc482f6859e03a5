"""The description of the API: complete, valid, true to the routes; and the page that people read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.route_needs import ELSEWHERE, NEEDS
from openhood.domain.access import Need
from openhood.http import api_words, openapi
from openhood.http.pages import api_docs
from openhood.http.routes import ROUTES
from openhood.testing.hub import HubUnderTest
from pages.settings_kit import check_page, seen

# Redirects from single names, and the routes that say what this hub has not.
NOT_DESCRIBED = ("single_id", "drop_telemetry", "handler")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def visitor(hub: HubUnderTest) -> httpx.Client:
    return hub.client()


@pytest.fixture(scope="module")
def described(visitor: httpx.Client) -> dict[str, Any]:
    answer = visitor.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    found: dict[str, Any] = answer.json()
    return found


def test_the_description_is_valid(described: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(described).validate()
    assert described["openapi"].startswith("3.1")


def test_every_route_of_the_api_is_described(described: dict[str, Any]) -> None:
    there = {each.route.template for each in openapi.operations(ROUTES)}
    expected = {
        route.template
        for route in ROUTES
        if route.template.startswith("/api/") and route.handler.__name__ not in NOT_DESCRIBED
    }
    assert len(expected) > 100
    assert expected - there == set()
    paths = {path for path in described["paths"] if path.startswith("/api/")}
    assert len(paths) == len(expected)


def test_every_operation_has_an_id_words_and_a_group_of_its_own(described: dict[str, Any]) -> None:
    groups = {each["name"] for each in described["tags"]}
    ids = []
    for path, methods in described["paths"].items():
        for method, each in methods.items():
            ids.append(each["operationId"])
            assert re.match(r"[A-Z]", each["summary"]), (method, path, each["summary"])
            assert "``" not in str(each), path
            assert "Raises" not in str(each), path
            assert set(each["tags"]) <= groups
            assert {"2XX", "400", "401", "403", "429"} <= set(each["responses"])
            named = {part["name"] for part in each.get("parameters", []) if part["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path
    assert len(ids) == len(set(ids))


def test_who_must_sign_in_is_said_rightly() -> None:
    """The list that the tests of permissions walk by says the same."""
    for each in openapi.operations(ROUTES):
        handler = each.route.handler
        name = f"{handler.__module__.removeprefix('openhood.http.')}.{handler.__qualname__}"
        if name in ELSEWHERE:
            assert each.is_public == (ELSEWHERE[name] == "everybody"), (each.method, each.path)
        elif NEEDS[name] in (Need.WRITE, Need.PROPOSE) and each.method != "GET":
            assert not each.is_public, (each.method, each.path)


def test_what_handlers_read_is_described(described: dict[str, Any]) -> None:
    listed = described["paths"]["/api/{type}"]["get"]
    query = {part["name"]: part["schema"] for part in listed["parameters"] if part["in"] == "query"}
    assert query["limit"] == {"type": "integer", "default": 1000, "minimum": 1, "maximum": 1000}
    assert {"search", "filter", "author", "sort", "expand"} <= set(query)
    assert listed["responses"]["2XX"]["headers"]["Link"]
    kinds = [part["schema"]["enum"] for part in listed["parameters"] if part["name"] == "type"]
    assert kinds == [["models", "datasets", "spaces"]]
    made = described["paths"]["/api/{type}/{namespace}/{name}/discussions"]["post"]
    model = made["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert described["components"]["schemas"][model]["required"] == ["title"]
    commit = described["paths"]["/api/{type}/{namespace}/{name}/commit/{revision}"]["post"]
    assert "application/x-ndjson" in commit["requestBody"]["content"]
    refusal = described["components"]["responses"]["404"]
    assert set(refusal["headers"]) == {"X-Error-Code", "X-Error-Message", "X-Request-Id"}


def test_no_word_of_ours_is_for_nothing() -> None:
    known = {
        f"{each.route.handler.__module__.removeprefix('openhood.http.')}.{each.route.handler.__name__}"
        for each in openapi.operations(ROUTES)
    }
    assert set(api_words.SUMMARIES) <= known
    assert set(api_words.GROUP_OF.values()) == {each.key for each in api_words.GROUPS}


def test_the_description_is_kept(visitor: httpx.Client) -> None:
    first = visitor.get("/openapi.json")
    again = visitor.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_shows_every_operation(hub: HubUnderTest, visitor: httpx.Client) -> None:
    text = seen(visitor, "/docs/api")
    shown = re.findall(r'<details class="api-operation" id="(\w+)"', text)
    assert shown == [each.key for section in api_docs.sections() for each in section.operations]
    assert len(shown) == len(list(openapi.operations(ROUTES)))
    assert f"{hub.url}/api/models" in text
    assert "{hub}" not in text
    assert 'href="/openapi.json"' in text
    # The filter needs scripts, so that without them it is not there.
    assert re.search(r'<form class="api-filter"[^>]* hidden>', text)


def test_the_page_speaks_french(hub: HubUnderTest) -> None:
    answer = hub.client(headers={"Accept-Language": "fr"}).get("/docs/api")
    assert answer.status_code == 200
    assert '<html lang="fr"' in answer.text
    check_page(answer.text)


def test_the_examples_work(hub: HubUnderTest) -> None:
    """What anybody may read and needs no repository answers at the address of its example."""
    client = hub.client(hub.add_user("alice"))
    asked = 0
    for each in openapi.operations(ROUTES):
        if each.method == "GET" and each.is_public and "{" not in each.path.replace("{type}", ""):
            answer = client.get(each.example, headers={"Accept": "application/json"})
            assert answer.status_code in (200, 400, 403), (each.example, answer.text)
            asked += 1
    assert asked > 10
