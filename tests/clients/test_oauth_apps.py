"""Programs that sign people in with the hub, and workloads that exchange identity tokens, by the real clients' code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.issuer_kit import Issuer, run_issuer
from clients.conftest import DECLARATION, PASSWORD, TOKENS, ClientMaker
from clients.drivers import SCRIPTS, Client, Hub
from openhood.testing import server
from openhood.testing.processes import find_free_port
from openhood.testing.venvs import client_modules, client_python


def sign_in(hub: Hub, name: str) -> httpx.Client:
    """A browser in which somebody is signed in to the hub."""
    browser = httpx.Client(base_url=hub.url, headers={"Origin": hub.url})
    done = browser.post("/login", data={"name": name, "password": hub.password})
    assert done.status_code == 303
    return browser


def allow(browser: httpx.Client, url: str, *, orgs: tuple[str, ...] = ()) -> str:
    """Go to the authorization endpoint, allow what is asked, and return where the program is told so."""
    page = browser.get(url)
    if page.status_code == 200:
        fields = {
            name: unescape(re.findall(rf'name="{name}" value="([^"]*)"', page.text)[0])
            for name in ("request", "consent")
        }
        page = browser.post("/oauth/authorize", data={**fields, "answer": "approve", "org": list(orgs)})
    assert page.status_code in (302, 303), page.text
    return str(page.headers["Location"])


def register(hub: Hub, **body: Any) -> dict[str, Any]:
    """Register a program of alice's."""
    made = httpx.post(
        f"{hub.url}/api/settings/oauth-apps",
        json=body,
        headers={"Authorization": f"Bearer {hub.tokens['alice']}"},
    )
    assert made.status_code == 201, made.text
    return made.json()  # type: ignore[no-any-return]


def serve_app(port: int) -> None:
    """The program: FastAPI with huggingface_hub's own helper, as its documentation shows it."""
    import uvicorn
    from fastapi import FastAPI, Request
    from huggingface_hub import attach_huggingface_oauth, parse_huggingface_oauth, whoami

    app = FastAPI()
    attach_huggingface_oauth(app)

    def greet(request: Request) -> dict:
        info = parse_huggingface_oauth(request)
        if info is None:
            return {"user": None}
        user = info.user_info
        return {
            "user": user.preferred_username,
            "name": user.name,
            "email": user.email,
            "verified": user.email_verified,
            "profile": user.profile,
            "picture": user.picture,
            "orgs": {org.preferred_username: org.role_in_org for org in user.orgs or []},
            "scope": info.scope,
            "whoami": whoami(token=info.access_token)["name"],
        }

    # Annotations are texts in this file, and FastAPI would look for them elsewhere.
    greet.__annotations__["request"] = Request
    app.get("/")(greet)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


@pytest.fixture
def fastapi_app(hub: Hub, make_client: ClientMaker) -> Iterator[str]:
    """The address of a running program that alice registered."""
    port = find_free_port()
    url = f"http://localhost:{port}"
    made = register(hub, name="Greeter", redirectUris=[f"{url}/oauth/huggingface/callback"])
    client = make_client(
        "hub-2.4-oauth",
        more_env={
            "OAUTH_CLIENT_ID": made["clientId"],
            "OAUTH_CLIENT_SECRET": made["clientSecret"],
            "OAUTH_SCOPES": "openid profile email read-memberships",
            "OPENID_PROVIDER_URL": hub.url,
            "SPACE_ID": "alice/greeter",
            "SPACE_HOST": f"localhost:{port}",
        },
    )
    process = client.start(serve_app, port=port)
    try:
        wait_for(url, process, client)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes], client: Client) -> None:
    """Return once the program answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError((client.home / "started.log").read_text())


def test_attach_huggingface_oauth(hub: Hub, fastapi_app: str) -> None:
    # Its session cookie is for https only; browsers make an exception for localhost, this client does not.
    jar: dict[str, str] = {}

    def visit(address: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in jar.items())
        answer = httpx.get(address, headers={"Cookie": cookie} if jar else {})
        for each in answer.headers.get_list("set-cookie"):
            name, _, value = each.partition(";")[0].partition("=")
            jar[name] = value
        return answer

    assert visit(f"{fastapi_app}/").json() == {"user": None}
    begun = visit(f"{fastapi_app}/oauth/huggingface/login?_target_url=/hello")
    assert begun.headers["Location"].startswith(f"{hub.url}/oauth/authorize?")
    with closing(sign_in(hub, "bob")) as browser:
        me = browser.get("/api/whoami-v2").json()
        acme = next(org["id"] for org in me["orgs"] if org["name"] == "acme")
        back = allow(browser, begun.headers["Location"], orgs=(acme,))
    done = visit(back)
    assert done.status_code in (302, 303, 307), done.text
    assert done.headers["Location"] == "/hello"
    seen = visit(f"{fastapi_app}/").json()
    assert (seen["user"], seen["whoami"], seen["email"]) == ("bob", "bob", "bob@example.org")
    assert seen["orgs"]["acme"] == "write"
    assert seen["scope"] == "email openid profile read-memberships"
    assert seen["picture"].startswith(hub.url)
    assert seen["profile"] == f"{hub.url}/bob"


def test_a_page_with_huggingface_js(hub: Hub, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    made = register(hub, name="Page", isPublic=True, redirectUris=["https://page.example/app"])
    (tmp_path / "node_modules").symlink_to(client_modules() / "node_modules")
    script = tmp_path / "oauth.mjs"
    script.write_bytes((SCRIPTS / "oauth.mjs").read_bytes())
    node = Client(python=Path(sys.executable), home=tmp_path, hub=hub, token=None)
    process = subprocess.Popen(
        ["node", str(script), hub.url, made["clientId"], "https://page.example/app"],
        env=node.env | {"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    asked = process.stdout.readline().strip()
    with closing(sign_in(hub, "alice")) as browser:
        back = allow(browser, asked)
    out, err = process.communicate(back + "\n", timeout=60)
    assert process.returncode == 0, err
    seen = json.loads(out)
    assert seen["userInfo"]["preferred_username"] == "alice"
    assert seen["userInfo"]["email"] == "alice@example.org"
    assert seen["state"] == "mine"
    assert seen["scope"] == "email openid profile read-repos"
    assert seen["accessTokenExpiresAt"]
    # The code came twice, so the hub ended what came of it.
    assert seen["again"]
    assert seen["after"] == 401


# --- workloads --------------------------------------------------------------------------------------------


@pytest.fixture
def ci(tmp_path: Path) -> Iterator[tuple[Hub, Issuer]]:
    """A hub that believes an issuer, which mints tokens as GitHub Actions does."""
    with run_issuer() as issuer, tempfile.TemporaryDirectory(prefix="openhood-ci-") as directory:
        data_dir = Path(directory)
        server.provision(data_dir, DECLARATION)
        env = {"OPENHOOD_OAUTH_TRUSTED_ISSUERS": issuer.url}
        with server.start_server(data_dir, env=env) as running:
            url = running.url.replace("127.0.0.1", "localhost")
            yield Hub(url=url, data_dir=data_dir, tokens=TOKENS, password=PASSWORD, server=running), issuer


def publish(repo: str) -> dict:
    """What a job does: it has no token, and uploads."""
    import kit
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils import get_token

    api = HfApi()
    info = api.upload_file(path_or_fileobj=b"built", path_in_repo="built.txt", repo_id=repo)
    return {
        "token": get_token()[:7],
        "commit": info.oid,
        "who": api.whoami()["name"],
        "read": open(hf_hub_download(repo, "built.txt")).read(),
        "other": kit.failure(
            lambda: api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo + "-2")
        ),
    }


def test_a_job_of_github_actions_publishes_without_a_secret(ci: tuple[Hub, Issuer], tmp_path: Path) -> None:
    hub, issuer = ci
    alice = httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {hub.tokens['alice']}"})
    with closing(alice):
        for name in ("built", "built-2"):
            alice.post("/api/repos/create", json={"name": name, "private": True}).raise_for_status()
        trusted = alice.post(
            "/api/models/alice/built/trusted-publishers",
            json={"issuer": issuer.url, "subject": "repo:acme/m:ref:refs/heads/*"},
        )
        assert trusted.status_code == 201, trusted.text
        assert trusted.json()["audience"] == hub.url
    home = tmp_path / "job"
    home.mkdir()
    resource = {"HF_OIDC_RESOURCE": "alice/built"}
    runner = {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/mint",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the runner's",
    }
    job = Client(client_python("hub-2.4"), home, hub, None, more_env={**resource, **runner})
    seen = job.call(publish, repo="alice/built")
    assert (seen["token"], seen["who"], seen["read"]) == ("hf_jwt_", "alice", "built")
    assert "RepositoryNotFoundError" in seen["other"]["kinds"]
    # One made beforehand, as for other CI systems; and one for a branch that nobody trusts.
    given = Client(
        client_python("hub-2.4"),
        home,
        hub,
        None,
        more_env={**resource, "HF_OIDC_ID_TOKEN": issuer.token(aud=hub.url)},
    )
    assert '"alice"' in given.hf("auth", "whoami", "--json").out.replace("'", '"')
    again = given.hf("auth", "whoami", "--json")
    assert again.code != 0
    assert "exchanged before" in again.text
    wrong = Client(
        client_python("hub-2.4"),
        home,
        hub,
        None,
        more_env={
            **resource,
            "HF_OIDC_ID_TOKEN": issuer.token(aud=hub.url, sub="repo:evil/m:ref:refs/heads/main"),
        },
    )
    refused = wrong.hf("auth", "whoami", "--json")
    assert refused.code != 0
    assert "no trusted publisher" in refused.text
