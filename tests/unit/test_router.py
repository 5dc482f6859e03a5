"""Raw paths find the right handler, with the right parameters; ambiguous templates are refused at start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.http.context import Call
from openhood.http.router import Route, Router, decode


async def nothing(call: Call) -> Response:
    return Response()


def route(template: str, *methods: str, **fixed: str) -> Route:
    return Route(methods or ("GET",), template, nothing, fixed=fixed)


def found(router: Router, path: str, method: str = "GET") -> tuple[str, dict[str, str]] | None:
    """The template and parameters that a path leads to."""
    match = router.match(method, path.encode("latin-1"))
    if match is None or match.route is None:
        return None
    return match.route.template, dict(match.params)


ROUTER = Router(
    [
        route("/health"),
        route("/{ns}/{name}"),
        route("/{ns}/{name}/resolve/{rev}/{path:path}", type="models"),
        route("/{ns}/{name}.git/info/refs"),
        route("/{ns}/{name}/info/refs"),
        route("/datasets/{ns}/{name}/resolve/{rev}/{path:path}", type="datasets"),
        route("/api/{type:models|datasets|spaces}/{ns}/{name}"),
        route("/api/{type:models|datasets|spaces}/{ns}/{name}", "PUT", "DELETE"),
        route("/api/{type:models|datasets|spaces}/{ns}/{name}/tree/{rev}"),
        route("/api/{type:models|datasets|spaces}/{ns}/{name}/tree/{rev}/{path:path}"),
        route("/api/whoami-v2"),
    ]
)


def test_literals_win_over_parameters() -> None:
    assert found(ROUTER, "/api/whoami-v2") == ("/api/whoami-v2", {})
    assert found(ROUTER, "/health") == ("/health", {})
    assert found(ROUTER, "/acme/m") == ("/{ns}/{name}", {"ns": "acme", "name": "m"})


def test_a_prefix_that_leads_nowhere_is_tried_as_a_parameter() -> None:
    """A model of the user 'api' would be legal as far as the router is concerned."""
    assert found(ROUTER, "/api/m") == ("/{ns}/{name}", {"ns": "api", "name": "m"})


def test_encoded_slashes_stay_inside_their_segment() -> None:
    assert found(ROUTER, "/acme/m/resolve/refs%2Fpr%2F1/a/b.txt") == (
        "/{ns}/{name}/resolve/{rev}/{path:path}",
        {"ns": "acme", "name": "m", "rev": "refs/pr/1", "path": "a/b.txt", "type": "models"},
    )


def test_parameters_are_decoded_once() -> None:
    match = found(ROUTER, "/acme/m/resolve/main/100%2525%20%C3%A9.txt")
    assert match is not None
    assert match[1]["path"] == "100%25 é.txt"


def test_endings_belong_to_the_template() -> None:
    assert found(ROUTER, "/acme/m.git/info/refs") == (
        "/{ns}/{name}.git/info/refs",
        {"ns": "acme", "name": "m"},
    )
    assert found(ROUTER, "/acme/m/info/refs") == ("/{ns}/{name}/info/refs", {"ns": "acme", "name": "m"})


def test_choices_take_their_words_only() -> None:
    assert found(ROUTER, "/api/models/a/b") == (
        "/api/{type:models|datasets|spaces}/{ns}/{name}",
        {"type": "models", "ns": "a", "name": "b"},
    )
    assert found(ROUTER, "/api/files/a/b") is None


def test_fixed_parameters_come_with_the_template() -> None:
    match = found(ROUTER, "/datasets/a/b/resolve/main/x")
    assert match is not None
    assert match[1]["type"] == "datasets"


def test_empty_segments_are_skipped() -> None:
    assert found(ROUTER, "//api//models/a/b/") == found(ROUTER, "/api/models/a/b")


def test_the_rest_needs_a_segment() -> None:
    assert found(ROUTER, "/acme/m/resolve/main") is None
    assert found(ROUTER, "/acme/m/resolve/main/") is None
    assert found(ROUTER, "/api/models/a/b/tree/main") == (
        "/api/{type:models|datasets|spaces}/{ns}/{name}/tree/{rev}",
        {"type": "models", "ns": "a", "name": "b", "rev": "main"},
    )


def test_head_is_answered_by_get() -> None:
    assert found(ROUTER, "/health", "HEAD") == ("/health", {})


def test_another_method_names_those_allowed() -> None:
    match = ROUTER.match("PATCH", b"/api/models/a/b")
    assert match is not None
    assert match.route is None
    assert set(match.allowed) >= {"DELETE", "GET", "PUT"}
    assert "PATCH" not in match.allowed


def test_unknown_paths_match_nothing() -> None:
    assert ROUTER.match("GET", b"/a/b/c") is None
    assert ROUTER.match("GET", b"/") is None


def test_a_path_must_be_utf8() -> None:
    with pytest.raises(BadRequest, match="UTF-8"):
        ROUTER.match("GET", b"/acme/m/resolve/main/%ff")


def test_two_handlers_for_one_path_are_refused() -> None:
    with pytest.raises(ValueError, match="two routes for GET"):
        Router([route("/a/{x}"), route("/a/{x}")])


def test_two_names_for_one_parameter_are_refused() -> None:
    with pytest.raises(ValueError, match="elsewhere"):
        Router([route("/a/{x}/b"), route("/a/{y}/c")])


def test_a_rest_must_be_last() -> None:
    with pytest.raises(ValueError, match="last"):
        Router([route("/a/{x:path}/b")])


@given(st.text(max_size=40))
def test_decoding_undoes_encoding(text: str) -> None:
    from urllib.parse import quote

    assert (
        decode(quote(text, safe="", errors="surrogatepass") if text.isascii() else quote(text, safe=""))
        == text
    )


@given(st.binary(max_size=60))
def test_any_bytes_are_matched_or_refused(raw: bytes) -> None:
    try:
        match = ROUTER.match("GET", b"/" + raw)
    except BadRequest:
        assert b"%" in raw or not raw.isascii()
    else:
        assert match is None or match.route is not None
