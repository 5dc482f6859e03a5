"""One story told in a real browser, from the first start of a hub to a program that signs in: page and API agree.

The tests are chapters: each goes on where the one before it ended.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from browser import kit
from browser.kit import PASSWORD, LiveHub, Visitor
from clients.drivers import Client, Hub
from clients.test_hf_login import start_login
from openhood.testing.venvs import client_python

REPO = "/lila/paper-crane"

CARD = """---
license: mit
pipeline_tag: text-classification
library_name: transformers
language: en
extra_gated_prompt: Please say what you are up to.
extra_gated_fields:
  What will you use it for?: text
  I will not fold it wrongly: checkbox
---
# Paper crane

Folds **any** sheet. It knows $a^2 + b^2$, too.

| sheet | folds |
|---|---|
| A4 | 22 |
"""


@dataclass
class Cast:
    """The hub of the story, and the people in it at their own browsers."""

    hub: LiveHub
    root: Visitor
    lila: Visitor
    omar: Visitor
    directory: Path
    number: int = 0


@pytest.fixture(scope="module")
def cast(chromium: Browser) -> Iterator[Cast]:
    with tempfile.TemporaryDirectory(prefix="openhood-story-") as directory, ExitStack() as stack:
        # What the clients are told to trust is the address they came by.
        env = {"OPENHOOD_SIGN_UP": "open"}
        hub = stack.enter_context(kit.running(Path(directory, "data"), {}, env=env))
        people = [stack.enter_context(kit.visit(chromium, hub)) for _ in range(3)]
        yield Cast(hub, *people, Path(directory))


@pytest.fixture(autouse=True)
def nothing_goes_wrong_on_the_side(cast: Cast) -> Iterator[None]:
    yield
    for person in (cast.root, cast.lila, cast.omar):
        assert not person.watch.take()


def test_01_the_first_start_makes_an_administrator(cast: Cast) -> None:
    page = cast.root.go("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("ol.steps > li")).to_have_count(3)
    expect(page.locator("#step-upload")).to_contain_text("hf upload")
    link = re.search(r"/setup/[\w-]+", cast.hub.server.log_text())
    assert link is not None
    cast.root.go(link.group())
    page.get_by_label("User name").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_label("Menu of root").click()
    expect(page.get_by_role("link", name="Administration")).to_be_visible()
    assert cast.root.api("/api/whoami-v2")["isAdmin"] is True
    cast.root.go("/admin")
    expect(page.locator(".admin-main h1")).to_be_visible()


def sign_up(person: Visitor, name: str) -> None:
    page = person.go("/")
    page.get_by_role("link", name="Join").click()
    page.get_by_label("User name").fill(name)
    page.get_by_label("E-mail address").fill(f"{name}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_label(f"Menu of {name}")).to_be_visible()
    found = person.api("/api/whoami-v2")
    assert (found["name"], found["isAdmin"]) == (name, False)


def test_02_people_sign_up(cast: Cast) -> None:
    sign_up(cast.lila, "lila")
    sign_up(cast.omar, "omar")
    page = cast.omar.page
    page.get_by_label("Menu of omar").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    cast.omar.go("/login")
    page.get_by_label("User name or e-mail address").fill("omar@example.org")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Menu of omar")).to_be_visible()
    # A refused password is a refused page to the console.
    cast.omar.watch.errors[:] = [each for each in cast.omar.watch.errors if "/login" not in each]


def test_03_a_repository_is_created(cast: Cast) -> None:
    page = cast.lila.go("/")
    page.get_by_label("Menu of lila").click()
    page.get_by_role("link", name="New repository").click()
    page.get_by_label("Model", exact=True).check()
    page.get_by_label("Name", exact=True).fill("paper-crane")
    page.get_by_label("License", exact=True).select_option("mit")
    page.get_by_role("button", name="Create repository").click()
    page.wait_for_url(f"**{REPO}**")
    expect(page.locator(".repo-head h1")).to_contain_text("paper-crane")
    expect(page.locator(".repo-head .facts")).to_contain_text("mit", ignore_case=True)
    found = cast.lila.api(f"/api/models{REPO}")
    assert (found["id"], found["private"]) == ("lila/paper-crane", False)
    assert "license:mit" in found["tags"]


def drop_files(page: Page, selector: str, paths: list[Path]) -> None:
    """Drag files from the desktop onto an element, as the browser itself sees it. Source: CDP, Input domain."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(each) for each in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})


def test_04_files_are_dragged_in(cast: Cast) -> None:
    values = secrets.token_bytes(2_000_000)
    head = json.dumps({"wing.weight": {"dtype": "F32", "shape": [500, 1000], "data_offsets": [0, 2_000_000]}})
    weights = cast.directory / "model.safetensors"
    weights.write_bytes(struct.pack("<Q", len(head)) + head.encode() + values)
    notes = cast.directory / "notes.txt"
    notes.write_text("Fold along the line.\n")
    page = cast.lila.go(f"{REPO}/upload/main")
    drop_files(page, ".drop", [weights, notes])
    expect(page.locator(".uploads li")).to_have_count(2)
    page.get_by_label("Message").fill("First folds")
    page.get_by_role("button", name="Upload and commit").click()
    page.wait_for_url(f"**{REPO}/tree/main")
    expect(page.locator("table.tree")).to_contain_text("model.safetensors")
    expect(page.locator("table.tree")).to_contain_text("First folds")
    with httpx.Client(base_url=cast.hub.url) as anybody:
        entries = {each["path"]: each for each in anybody.get(f"/api/models{REPO}/tree/main").json()}
        assert entries["model.safetensors"]["lfs"]["oid"] == hashlib.sha256(weights.read_bytes()).hexdigest()
        assert entries["model.safetensors"]["size"] == weights.stat().st_size
        assert anybody.get(f"{REPO}/resolve/main/notes.txt").text == "Fold along the line.\n"
    page.get_by_role("link", name="model.safetensors").click()
    expect(page.locator("#tensors")).to_contain_text("wing.weight")
    expect(page.locator("#tensors")).to_contain_text("500 × 1000")


def test_05_the_card_is_edited(cast: Cast) -> None:
    page = cast.lila.go(f"{REPO}/edit/main/README.md")
    page.get_by_label("Content").fill(CARD)
    page.get_by_label("Message").fill("Say what it is")
    page.get_by_role("button", name="Commit", exact=True).click()
    page.wait_for_url(f"**{REPO}/blob/main/README.md")
    cast.lila.go(REPO)
    card = page.locator("article")
    expect(card.get_by_role("heading", name="Paper crane")).to_be_visible()
    expect(card.locator("strong")).to_have_text("any")
    expect(card.get_by_role("cell", name="22")).to_be_visible()
    expect(page.locator(".repo-head .facts")).to_contain_text("Text Classification")
    found = cast.lila.api(f"/api/models{REPO}")
    assert (found["pipeline_tag"], found["library_name"]) == ("text-classification", "transformers")


def test_06_somebody_else_proposes_a_change(cast: Cast) -> None:
    page = cast.omar.go(f"{REPO}/edit/main/README.md")
    area = page.get_by_label("Content")
    area.fill(area.input_value().replace("A4 | 22", "A4 | 23"))
    page.get_by_label("Message").fill("Count the last fold")
    expect(page.get_by_label("As a pull request")).to_be_checked()
    page.get_by_role("button", name="Commit", exact=True).click()
    page.wait_for_url(f"**{REPO}/discussions/*")
    expect(page.get_by_role("heading", level=1, name="Count the last fold")).to_be_visible()
    cast.number = int(page.url.rsplit("/", 1)[1])
    found = cast.omar.api(f"/api/models{REPO}/discussions/{cast.number}")
    assert (found["isPullRequest"], found["status"]) == (True, "open")
    page.get_by_role("link", name="Files changed").click()
    expect(page.locator(".changes")).to_contain_text("A4 | 23")
    raw = cast.omar.context.request.get(f"{cast.hub.url}{REPO}/raw/main/README.md").text()
    assert "A4 | 22" in raw


def wait_for_line(person: Visitor, words: str) -> Page:
    """Open the inbox again and again until a line comes: the hub writes it after it has answered."""
    for _ in range(40):
        page = person.go("/inbox")
        if page.get_by_role("link", name=words).count():
            return page
        page.wait_for_timeout(500)
    raise AssertionError(f"Nothing came to the inbox about {words!r}.")


def test_07_it_is_talked_over_and_merged(cast: Cast) -> None:
    page = wait_for_line(cast.lila, "Count the last fold")
    page.get_by_role("link", name="Count the last fold").click()
    page.get_by_label("Your answer").fill("You are right, **thank you**. @omar")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".shown-preview strong")).to_have_text("thank you")
    page.get_by_role("button", name="Write").click()
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".timeline")).to_contain_text("You are right")
    page.get_by_role("button", name="Merge").click()
    expect(page.locator(".talk-head")).to_contain_text("merged")
    found = cast.lila.api(f"/api/models{REPO}/discussions/{cast.number}")
    assert found["status"] == "merged"
    bodies = [each["data"]["latest"]["raw"] for each in found["events"] if each["type"] == "comment"]  # type: ignore[attr-defined]
    assert "You are right, **thank you**. @omar" in bodies
    cast.omar.go(REPO)
    expect(cast.omar.page.locator("article").get_by_role("cell", name="23")).to_be_visible()
    wait_for_line(cast.omar, "Count the last fold")


def test_08_a_gate_is_put_up_and_somebody_let_in(cast: Cast) -> None:
    page = cast.lila.go(f"{REPO}/settings")
    page.get_by_label("You look at each request").check()
    page.locator("form:has([value=gate])").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_be_visible()
    assert cast.lila.api(f"/api/models{REPO}")["gated"] == "manual"
    notes = f"{cast.hub.url}{REPO}/resolve/main/notes.txt"
    assert cast.omar.context.request.get(notes).status == 403

    theirs = cast.omar.go(REPO)
    theirs.get_by_role("link", name="Ask for access").click()
    expect(theirs.get_by_text("Please say what you are up to.")).to_be_visible()
    theirs.get_by_label("What will you use it for?").fill("A mobile for the nursery")
    theirs.get_by_label("I will not fold it wrongly").check()
    theirs.get_by_role("button", name="send request").click()
    expect(theirs.get_by_role("status").first).to_contain_text("awaiting a review")
    cast.omar.go(REPO)
    expect(theirs.get_by_role("status").first).to_contain_text("waits")

    cast.lila.go(f"{REPO}/settings/access")
    expect(page.locator(".requests")).to_contain_text("A mobile for the nursery")
    page.get_by_role("button", name="Accept").click()
    expect(page.locator(".requests")).to_have_count(0)
    pending = cast.lila.context.request.get(
        f"{cast.hub.url}/api/models{REPO}/user-access-request/accepted"
    ).json()
    assert [each["user"]["user"] for each in pending] == ["omar"]
    assert cast.omar.context.request.get(notes).text() == "Fold along the line.\n"
    cast.omar.go(REPO)
    expect(theirs.locator(".repo-head")).to_contain_text("you have access")


def test_09_models_are_found_by_browsing(cast: Cast) -> None:
    tasks = ("text-classification", "text-classification", "text-generation", "image-classification")
    with cast.hub.client() as api:
        api.post("/login", data={"name": "lila", "password": PASSWORD, "next": "/"})
        for number, task in enumerate(tasks):
            name = f"sheet-{number}"
            assert api.post("/api/repos/create", json={"type": "model", "name": name}).status_code == 200
            card = f"---\npipeline_tag: {task}\nlicense: {'mit' if number else 'apache-2.0'}\n---\n"
            lines = [
                {"key": "header", "value": {"summary": "card"}},
                {"key": "file", "value": {"path": "README.md", "content": card, "encoding": "utf-8"}},
            ]
            answer = api.post(
                f"/api/models/lila/{name}/commit/main", content="\n".join(map(json.dumps, lines)),
                headers={"Content-Type": "application/x-ndjson"},
            )  # fmt: skip
            assert answer.status_code == 200, answer.text
    page = cast.omar.go("/models")
    expect(page.locator("#results .rows > li")).to_have_count(5)
    page.evaluate("window.isSamePage = true")
    facet = page.locator("#facets").get_by_label("Text Classification")
    expect(page.locator("#facets label", has_text="Text Classification").locator(".count")).to_have_text("3")
    facet.check()
    expect(page.locator("#results .rows > li")).to_have_count(3)
    page.wait_for_url("**/models?*pipeline_tag=text-classification*")
    page.get_by_label("Filter by name").press_sequentially("sheet")
    expect(page.locator("#results .rows > li")).to_have_count(2)
    assert page.evaluate("window.isSamePage")
    found = cast.omar.context.request.get(
        f"{cast.hub.url}/api/models?pipeline_tag=text-classification&search=sheet"
    ).json()
    shown = page.locator("#results .rows .title a").all_text_contents()
    assert sorted(each["id"] for each in found) == sorted(shown) == ["lila/sheet-0", "lila/sheet-1"]
    page.reload()
    expect(page.locator("#results .rows > li")).to_have_count(2)
    page.go_back()
    expect(page.locator("#results .rows > li")).to_have_count(3)
    page.locator(".chips a", has_text="Text Classification").click()
    expect(page.locator("#results .rows > li")).to_have_count(5)
    page.get_by_label("Gated").select_option("true")
    expect(page.locator("#results .rows .title a")).to_have_text(["lila/paper-crane"])


def test_10_a_token_is_made_with_few_rights_and_shown_once(cast: Cast) -> None:
    page = cast.lila.go("/settings/tokens")
    page.get_by_label("Name").fill("reader of cranes")
    page.get_by_label("May", exact=True).select_option("fineGrained")
    editor = page.locator("#fine")
    expect(editor).to_have_attribute("open", "")
    editor.locator("summary", has_text="Single repositories").click()
    editor.get_by_label("Where").fill("lila/paper-crane")
    editor.locator("[name=permission][value='repo.content.read']").check()
    page.get_by_role("button", name="Create token").click()
    secret = page.locator("#secret").inner_text().strip()
    assert secret.startswith("hf_")
    page.locator("[data-copy-from=secret]").click()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    cast.lila.go("/settings/tokens")
    assert secret not in page.content()
    expect(page.locator("table")).to_contain_text("reader of cranes")
    with httpx.Client(base_url=cast.hub.url, headers={"Authorization": f"Bearer {secret}"}) as program:
        about = program.get("/api/whoami-v2").json()["auth"]["accessToken"]
        assert (about["displayName"], about["role"]) == ("reader of cranes", "fineGrained")
        assert program.get(f"{REPO}/resolve/main/notes.txt").status_code == 200
        refused = program.post("/api/repos/create", json={"type": "model", "name": "not-with-this"})
        assert refused.status_code == 403
    row = page.locator("tr", has_text="reader of cranes")
    row.locator("details.sure > summary").click()
    row.locator("button.danger").click()
    expect(page.locator("body")).not_to_contain_text("reader of cranes")
    with httpx.Client(base_url=cast.hub.url, headers={"Authorization": f"Bearer {secret}"}) as program:
        assert program.get("/api/whoami-v2").status_code == 401


def test_11_the_real_client_signs_in_and_is_let_in_here(cast: Cast) -> None:
    home = cast.directory / "home"
    home.mkdir()
    about = Hub(
        url=cast.hub.url, data_dir=cast.hub.data_dir, tokens={}, password=PASSWORD, server=cast.hub.server
    )
    client = Client(python=client_python("hub-2.4"), home=home, hub=about, token=None)
    process, code = start_login(client)
    page = cast.lila.go("/device")
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".code-shown")).to_have_text(code)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert '"lila"' in client.hf("auth", "whoami", "--json").out.replace("'", '"')
    got = client.hf("download", "lila/paper-crane", "notes.txt", "--local-dir", str(home / "got"))
    assert got.code == 0, got.text
    assert (home / "got" / "notes.txt").read_text() == "Fold along the line.\n"
    cast.lila.go("/settings/tokens")
    expect(page.locator("table")).to_contain_text("signed-in program")
