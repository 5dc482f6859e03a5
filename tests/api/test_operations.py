"""What operators and browsers meet on every route: health, metrics, ids, CORS, limits, unknown paths."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from pydantic import SecretStr

from api.desk import Desk, file
from openhood.base.settings import RateLimits
from openhood.testing.hub import HubUnderTest

HubMaker = Callable[..., HubUnderTest]

# huggingface_hub 2.4 `utils/_http.py`: what its clients find in the headers.
CLIENT_RATE = re.compile(r"\"(?P<resource_type>\w+)\"\s*;\s*r\s*=\s*(?P<r>\d+)\s*;\s*t\s*=\s*(?P<t>\d+)")
CLIENT_POLICY = re.compile(r"q\s*=\s*(?P<q>\d+).*?w\s*=\s*(?P<w>\d+)")


# --- health and metrics ---------------------------------------------------------------------


def test_a_living_hub_says_so(hub: HubUnderTest) -> None:
    for path in ("/health", "/ready"):
        answer = hub.client().get(path)
        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"
        assert answer.headers["cache-control"] == "no-store"


def test_a_broken_store_is_named(hub: HubUnderTest) -> None:
    objects = hub.data_dir / "objects"
    for each in (objects / ".tmp", objects / ".parts"):
        each.rmdir()
    objects.rename(hub.data_dir / "gone")
    objects.write_text("no directory")
    answer = hub.client().get("/ready")
    assert answer.status_code == 503
    assert list(answer.json()["problems"]) == ["objects"]
    assert hub.client().get("/health").status_code == 200


def test_a_broken_database_is_named(make_hub: HubMaker, postgres: object, postgres_url: str) -> None:
    hub = make_hub(database_url=postgres_url)
    assert hub.client().get("/ready").status_code == 200
    postgres.drop_database(postgres_url)  # type: ignore[attr-defined]
    answer = hub.client().get("/ready")
    assert answer.status_code == 503
    assert list(answer.json()["problems"]) == ["database"]


def test_metrics_count_by_route(hub: HubUnderTest) -> None:
    client = hub.client()
    client.get("/api/models/nobody/nothing")
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    line = re.search(
        r'^openhood_http_requests_total\{method="GET",route="/api/\{type:models[^"]*\}/\{ns\}/\{name\}",status="401"\} (\d+)',
        answer.text,
        re.MULTILINE,
    )
    assert line is not None
    assert int(line[1]) >= 1
    assert "nobody" not in answer.text  # names of repositories would make endless series


def test_unknown_methods_and_paths_make_no_series(hub: HubUnderTest) -> None:
    client = hub.client()
    client.request("BREW", "/unknown/a/b/c/d")
    text = client.get("/metrics").text
    assert "BREW" not in text
    assert "/unknown" not in text
    assert 'method="(other)",route="(none)"' in text


def test_metrics_with_a_token(make_hub: HubMaker) -> None:
    hub = make_hub(metrics_token=SecretStr("let me see"))
    assert hub.client().get("/metrics").status_code == 403
    assert hub.client("hf_wrong").get("/metrics").status_code == 403
    assert hub.client("let me see").get("/metrics").status_code == 200


def test_metrics_are_for_this_machine_only(hub: HubUnderTest) -> None:
    transport = httpx.ASGITransport(app=hub.asgi, client=("192.0.2.7", 1234))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url=hub.url) as client:
            return await client.get("/metrics")

    import asyncio

    answer = asyncio.run(ask())
    assert answer.status_code == 403
    assert "OPENHOOD_METRICS_TOKEN" in answer.json()["error"]


# --- request ids ----------------------------------------------------------------------------


def test_every_answer_has_an_id_of_its_own(hub: HubUnderTest) -> None:
    client = hub.client()
    ids = {client.get(path).headers["x-request-id"] for path in ("/health", "/none/at/all/x", "/health")}
    assert len(ids) == 3
    assert all(re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", each) for each in ids)


def test_the_clients_trace_is_joined(hub: HubUnderTest) -> None:
    trace = "0b0ee4f2-52e8-4f5a-a3b2-7e37a5c0c6b1"
    answer = hub.client().get("/health", headers={"X-Amzn-Trace-Id": trace})
    assert answer.headers["x-request-id"].endswith(f";{trace}")
    for odd in ("a b", "x" * 101, "a;b", "<script>"):
        assert (
            ";" not in hub.client().get("/health", headers={"X-Amzn-Trace-Id": odd}).headers["x-request-id"]
        )


def test_a_failure_tells_its_id_and_nothing_else(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    pack_dir = hub.sv.packs.directory(desk.repo.id)
    stored = [hub.sv.objects.local_path(each.key) for each in hub.sv.objects.list("git/")]
    for path in stored:
        assert path is not None
        path.unlink()
    hub.sv.packs.forget(desk.repo.id)
    assert not pack_dir.exists()
    answer = desk.client.get(f"{desk.api}/tree/main")
    assert answer.status_code == 500
    assert answer.headers["x-request-id"]
    assert str(hub.data_dir) not in answer.text
    assert "Traceback" not in answer.text


# --- browsers -------------------------------------------------------------------------------


def test_other_sites_may_read_but_not_with_a_session(hub: HubUnderTest) -> None:
    answer = hub.client().get("/health", headers={"Origin": "https://elsewhere.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    exposed = answer.headers["access-control-expose-headers"]
    for name in (
        "X-Repo-Commit",
        "X-Linked-Size",
        "X-Linked-ETag",
        "ETag",
        "Link",
        "Content-Range",
        "X-Error-Code",
    ):
        assert name in exposed


def test_trusted_sites_may_use_the_session(make_hub: HubMaker) -> None:
    hub = make_hub(cors_origins="https://tools.example/, https://more.example")
    answer = hub.client().get("/health", headers={"Origin": "https://tools.example"})
    assert answer.headers["access-control-allow-origin"] == "https://tools.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    other = hub.client().get("/health", headers={"Origin": "https://tools.example.evil.example"})
    assert other.headers["access-control-allow-origin"] == "*"


def test_errors_can_be_read_by_other_sites_too(hub: HubUnderTest) -> None:
    answer = hub.client().get("/api/models/a/b", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "*"


def test_preflights_are_answered(hub: HubUnderTest) -> None:
    answer = hub.client().options(
        "/api/models/a/b/commit/main",
        headers={
            "Origin": "https://elsewhere.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        assert method in answer.headers["access-control-allow-methods"]


def test_content_types_are_not_guessed(hub: HubUnderTest) -> None:
    assert hub.client().get("/health").headers["x-content-type-options"] == "nosniff"


# --- rate limits ----------------------------------------------------------------------------


def test_no_limit_no_header(hub: HubUnderTest) -> None:
    assert "ratelimit" not in hub.client().get("/api/models").headers


def test_limits_are_announced_and_kept(make_hub: HubMaker) -> None:
    hub = make_hub(rate=RateLimits(api=4, window_s=600))
    alice = hub.client(hub.add_user("alice"))
    answers = [alice.get("/api/models") for _ in range(5)]
    assert [each.status_code for each in answers] == [200] * 4 + [429]
    last_good, refused = answers[-2], answers[-1]
    rate = CLIENT_RATE.search(last_good.headers["ratelimit"])
    policy = CLIENT_POLICY.search(last_good.headers["ratelimit-policy"])
    assert rate is not None
    assert (rate["resource_type"], rate["r"]) == ("api", "0")
    assert 0 < int(rate["t"]) <= 600
    assert policy is not None
    assert policy.groupdict() == {"q": "4", "w": "600"}
    wait_s = int(refused.headers["retry-after"])
    assert 0 < wait_s <= 600
    assert CLIENT_RATE.search(refused.headers["ratelimit"]) is not None
    assert "4 requests in 600 seconds" in refused.json()["error"]
    strangers = [hub.client().get("/api/models").status_code for _ in range(3)]
    assert strangers == [200, 200, 429]
    hub.clock.advance(wait_s)
    assert alice.get("/api/models").status_code == 200


def test_health_is_never_limited(make_hub: HubMaker) -> None:
    hub = make_hub(rate=RateLimits(api=1, pages=1, resolvers=1, window_s=600))
    for path in ("/health", "/ready", "/metrics"):
        assert [hub.client().get(path).status_code for _ in range(3)] == [200] * 3


def test_wrong_credentials_are_refused_before_they_are_counted(make_hub: HubMaker) -> None:
    hub = make_hub(rate=RateLimits(api=2, window_s=600))
    assert hub.client("hf_wrong").get("/api/models").status_code == 401


# --- unknown and wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/a/b/c/d/e", "/api/nothing/of/this", "/datasets/a/b/c/d"])
def test_unknown_paths(hub: HubUnderTest, path: str) -> None:
    answer = hub.client().get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]
    assert answer.headers["x-error-message"] == answer.json()["error"]


def test_a_wrong_method_names_the_right_ones(hub: HubUnderTest) -> None:
    answer = hub.client().request("PATCH", "/api/whoami-v2")
    assert answer.status_code == 405
    allowed = answer.headers["allow"].split(", ")
    assert "GET" in allowed
    assert "PATCH" not in allowed


def test_head_is_get_without_a_body(hub: HubUnderTest) -> None:
    answer = hub.client().head("/health")
    assert answer.status_code == 200


def test_error_text_is_safe_in_headers(hub: HubUnderTest) -> None:
    """Names in messages may hold anything; a header is one line of latin-1."""
    client = hub.client(hub.add_user("alice"))
    answer = client.post("/api/repos/create", json={"name": "模型\r\nSet-Cookie: a=b", "type": "model"})
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers
    answer.headers["x-error-message"].encode("latin-1")
    assert "\n" not in answer.headers["x-error-message"]


def test_paths_that_are_no_text_are_refused(hub: HubUnderTest) -> None:
    assert hub.client().get("/alice/m/resolve/main/%ff%fe").status_code == 400


def test_file_bodies_are_not_compressed(hub: HubUnderTest) -> None:
    """Ranges, sizes and hashes are those of the file."""
    desk = Desk(hub)
    desk.done(file("a.txt", b"a" * 50_000))
    headers = {"Accept-Encoding": "gzip, deflate, br, zstd"}
    answer = desk.client.get("/alice/m/resolve/main/a.txt", headers=headers)
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-length"] == "50000"


def test_credentials_do_not_reach_the_log(hub: HubUnderTest, capfd: pytest.CaptureFixture[str]) -> None:
    token = hub.add_user("alice")
    hub.client(token).get("/api/whoami-v2?token=hunter2")
    hub.client("hf_wrongwrong").get("/api/whoami-v2?token=hunter2")
    captured = capfd.readouterr()
    text = captured.out + captured.err
    assert "whoami-v2" in text
    for secret in (token, "hf_wrongwrong", "hunter2"):
        assert secret not in text
