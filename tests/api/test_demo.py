"""The demonstration: what it makes is there and sound, and doing it twice does it once."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from openhood.cli.main import app
from openhood.demo import story
from openhood.testing.hub import HubUnderTest


@pytest.fixture(scope="module")
def hub() -> HubUnderTest:
    opened = HubUnderTest()
    made = story.tell(opened.sv, password="a good password")
    assert len(made) > 20
    opened.run_jobs()
    return opened


def test_everything_is_there(hub: HubUnderTest) -> None:
    client = hub.client()
    models = client.get("/api/models?full=true").json()
    assert len(models) >= 7
    model = client.get("/api/models/fjord-labs/fjord-tiny-lm").json()
    assert model["safetensors"]["total"] > 300_000
    assert model["pipeline_tag"] == "text-generation"
    assert model["likes"] == 3
    chat = client.get("/api/models/fjord-labs/fjord-tiny-lm-chat").json()
    assert "base_model:finetune:fjord-labs/fjord-tiny-lm" in chat["tags"]
    quantized = client.get("/api/models/fjord-labs/fjord-tiny-lm-chat-GGUF?expand[]=gguf").json()
    assert quantized["gguf"]["architecture"] == "llama"
    assert client.get("/api/models/yuki/kana-ocr").json()["gated"] == "manual"
    assert client.get("/api/models/ada/next-experiment").status_code == 401
    assert len(client.get("/api/datasets").json()) == 4
    assert len(client.get("/api/spaces").json()) == 2
    assert len(client.get("/api/collections").json()) == 2


def test_spaces_say_what_they_are(hub: HubUnderTest) -> None:
    client = hub.client()
    page = client.get("/spaces/fjord-labs/tide-table").text
    assert "Do not sail by it." in page
    assert "No card yet" not in page
    assert "Tallinn" in client.get("/spaces/fjord-labs/tide-table/resolve/main/index.html").text
    assert "No card yet" not in client.get("/spaces/mateo/happy-coffee").text


def test_people_talk_and_propose(hub: HubUnderTest) -> None:
    client = hub.client()
    found = client.get("/api/models/fjord-labs/fjord-tiny-lm/discussions").json()["discussions"]
    assert {each["status"] for each in found} == {"open"}
    assert any(each["isPullRequest"] for each in found)
    merged = client.get("/api/datasets/fjord-labs/harbour-reports/discussions/1").json()
    assert merged["status"] == "merged"


def test_somebody_administrates_it(hub: HubUnderTest) -> None:
    client = hub.client()
    assert client.post("/login", data={"name": "ada", "password": "a good password"}).status_code == 303
    assert client.get("/admin").status_code == 200
    assert "mateo" in client.get("/api/models/yuki/kana-ocr/user-access-request/pending").text


def test_pages_stand(hub: HubUnderTest) -> None:
    client = hub.client()
    for path in ("/", "/ada", "/fjord-labs", "/fjord-labs/fjord-tiny-lm", "/datasets/ada/garden-birds"):
        assert client.get(path).status_code == 200, path


def test_twice_is_once(hub: HubUnderTest) -> None:
    assert story.tell(hub.sv, password="another password") == []


def test_the_command_says_what_it_made(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--data", str(tmp_path / "hub"), "--no-jobs"])
    assert done.exit_code == 0, done.output
    assert "+ user ada" in done.output
    assert "with the password:" in done.output
