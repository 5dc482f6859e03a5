"""``hf auth login`` without a token: the device flow, approved in a browser's stead, and the refresh afterwards."""

from __future__ import annotations

import configparser
import re
import subprocess
import time

import httpx
import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub


def approve(hub: Hub, user: str, code: str, answer: str) -> str:
    """Sign ``user`` in as a browser would, answer the request for ``code``, and return the page."""
    with httpx.Client(base_url=hub.url, follow_redirects=True, headers={"Origin": hub.url}) as browser:
        asked = browser.get("/device", params={"user_code": code})
        assert asked.url.path == "/login"
        shown = browser.post(
            "/login", data={"name": user, "password": hub.password, "next": asked.url.params["next"]}
        )
        assert shown.status_code == 200
        assert code in shown.text
        done = browser.post("/device", data={"user_code": code, "answer": answer})
        assert done.status_code == 200
        return done.text


def start_login(client: Client) -> tuple[subprocess.Popen[str], str]:
    """Start ``hf auth login`` and return it with the code that it shows."""
    process = subprocess.Popen(
        [str(client.python.with_name("hf")), "auth", "login"],
        cwd=client.home,
        env=client.env | {"BROWSER": "true", "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    seen = ""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        seen += line
        found = re.search(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b", line)
        if found:
            return process, found.group()
        if not line:
            break
    process.kill()
    raise AssertionError(f"hf auth login showed no code:\n{seen}")


def test_device_login_and_refresh(make_client: ClientMaker, hub: Hub) -> None:
    stranger = make_client("hub-2.4")
    process, code = start_login(stranger)
    assert "Connected" in approve(hub, "bob", code, "approve")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert '"bob"' in stranger.hf("auth", "whoami", "--json").out.replace("'", '"')

    stored = stranger.home / "hf" / "stored_tokens"
    config = configparser.ConfigParser(interpolation=None)
    config.read(stored)
    section = config[config.sections()[0]]
    before = section["hf_token"]
    assert before.startswith("hf_oauth_")
    # The client refreshes when less than a day is left: make it believe so.
    assert int(section["expires_at"]) > time.time() + 24 * 3600
    section["expires_at"] = str(int(time.time()) + 3600)
    with stored.open("w") as file:
        config.write(file)
    assert '"bob"' in stranger.hf("auth", "whoami", "--json").out
    config.read(stored)
    after = config[config.sections()[0]]["hf_token"]
    assert after.startswith("hf_oauth_")
    assert after != before
    assert '"bob"' in stranger.hf("auth", "whoami", "--json").out


@pytest.mark.clients
def test_device_login_refused(make_client: ClientMaker, hub: Hub) -> None:
    stranger = make_client("hub-2.4")
    process, code = start_login(stranger)
    assert "Refused" in approve(hub, "bob", code, "deny")
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "denied" in said.lower() or "refused" in said.lower()
    assert "ot logged in" in stranger.hf("auth", "whoami").text
