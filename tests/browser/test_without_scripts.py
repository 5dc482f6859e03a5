"""With JavaScript off: every page can be read, and every plain form does its job."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browser import kit
from browser.kit import PASSWORD, LiveHub, Visitor
from browser.pages import Kind
from openhood.testing import server

REPO = "/nora/loom"

DECLARATION = {
    "users": [
        {"name": "nora", "password": PASSWORD, "email": "nora@example.org"},
        {"name": "piet", "password": PASSWORD, "email": "piet@example.org"},
    ],
}


@pytest.fixture(scope="module")
def own(chromium: Browser) -> Iterator[LiveHub]:
    """A hub that these tests may change."""
    with tempfile.TemporaryDirectory(prefix="openhood-plain-") as directory:
        data_dir = Path(directory)
        server.provision(data_dir, DECLARATION)
        passwords = dict.fromkeys(("nora", "piet"), PASSWORD)
        with kit.running(data_dir, passwords, env={"OPENHOOD_SIGN_UP": "open"}) as live:
            with live.client("nora") as nora:
                nora.post("/api/repos/create", json={"type": "model", "name": "loom"}).raise_for_status()
                lines = [
                    {"key": "header", "value": {"summary": "Begin"}},
                    {"key": "file", "value": {
                        "path": "README.md", "encoding": "base64",
                        "content": base64.b64encode(b"---\nlicense: mit\n---\n# Loom\n").decode(),
                    }},
                ]  # fmt: skip
                nora.post(
                    f"/api/models{REPO}/commit/main", content="\n".join(map(json.dumps, lines)),
                    headers={"Content-Type": "application/x-ndjson"},
                ).raise_for_status()  # fmt: skip
            yield live


@pytest.fixture(scope="module")
def people(chromium: Browser, own: LiveHub) -> Iterator[dict[str, Visitor]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(kit.visit(chromium, own, name, scripts=False))
            for name in ("nora", "piet")
        }


@pytest.fixture(scope="module")
def nora(people: dict[str, Visitor]) -> Visitor:
    """The owner of the repository."""
    return people["nora"]


@pytest.fixture(scope="module")
def piet(people: dict[str, Visitor]) -> Visitor:
    """Somebody else."""
    return people["piet"]


def test_every_page_can_be_read(chromium: Browser, hub: LiveHub, kinds: tuple[Kind, ...]) -> None:
    wrong = []
    for who in dict.fromkeys(each.who for each in kinds):
        with kit.visit(chromium, hub, who, scripts=False) as visitor:
            for kind in kinds:
                if kind.who != who:
                    continue
                status = visitor.answer(kind.path)
                page = visitor.page
                if status != kind.status or page.locator("main h1, main h2").count() == 0:
                    wrong.append(f"{kind.name}: {status}, without a heading or another status")
                for button in page.locator("main button:visible, main .button:visible").all():
                    # A button that only a script could answer would be a dead end.
                    dead = button.evaluate(
                        "(each) => each.tagName === 'BUTTON' && each.type === 'button' && !each.form"
                        " && !each.matches('[data-copy], [data-copy-from]')"
                    )
                    if dead:
                        wrong.append(f"{kind.name}: {button.evaluate('(each) => each.outerHTML')[:200]}")
    assert not wrong, "\n".join(wrong)


def test_signing_up_in_and_out(chromium: Browser, own: LiveHub) -> None:
    with kit.visit(chromium, own, scripts=False) as visitor:
        page = visitor.go("/join")
        page.get_by_label("User name").fill("ines")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        assert visitor.api("/api/whoami-v2")["name"] == "ines"
        page.locator("details.menu > summary").click()
        page.get_by_role("button", name="Sign out").click()
        visitor.api("/api/whoami-v2", status=401)
        visitor.go("/settings/tokens")
        assert "/login" in page.url
        page.get_by_label("User name or e-mail address").fill("ines")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        assert page.url.endswith("/settings/tokens")


def test_creating_a_repository(nora: Visitor) -> None:
    page = nora.go("/new")
    page.get_by_role("radio", name="Dataset").check()
    page.get_by_label("Name", exact=True).fill("threads")
    page.get_by_label("Private").check()
    page.get_by_role("button", name="Create repository").click()
    expect(page.locator(".repo-head h1")).to_contain_text("threads")
    assert nora.api("/api/datasets/nora/threads")["private"] is True


def test_uploading_by_the_form(nora: Visitor, tmp_path: Path) -> None:
    pattern = tmp_path / "pattern.txt"
    pattern.write_text("over, under\n")
    page = nora.go(f"{REPO}/upload/main")
    page.get_by_label("Files", exact=True).set_input_files(pattern)
    page.get_by_label("Folder").fill("weaves")
    page.get_by_role("button", name="Upload and commit").click()
    nora.go(f"{REPO}/blob/main/weaves/pattern.txt")
    expect(page.locator("table.source")).to_contain_text("over, under")
    assert (
        nora.context.request.get(f"{nora.hub.url}{REPO}/resolve/main/weaves/pattern.txt").text()
        == "over, under\n"
    )


def test_editing_creating_and_deleting_files(nora: Visitor) -> None:
    page = nora.go(f"{REPO}/edit/main/README.md")
    page.get_by_label("Content").fill("---\nlicense: mit\n---\n# Loom\n\nWeaves **cloth**.\n")
    page.get_by_role("button", name="Commit", exact=True).click()
    nora.go(REPO)
    expect(page.locator("article strong")).to_have_text("cloth")
    nora.go(f"{REPO}/new/main")
    page.get_by_label("Path", exact=True).fill("notes/first.md")
    page.get_by_label("Content").fill("A first note.\n")
    page.get_by_role("button", name="Commit", exact=True).click()
    paths = [each["rfilename"] for each in nora.api(f"/api/models{REPO}")["siblings"]]  # type: ignore[attr-defined]
    assert "notes/first.md" in paths
    nora.go(f"{REPO}/delete/main/notes/first.md")
    page.get_by_role("button", name="Delete").click()
    paths = [each["rfilename"] for each in nora.api(f"/api/models{REPO}")["siblings"]]  # type: ignore[attr-defined]
    assert "notes/first.md" not in paths


def test_going_to_a_file_and_choosing_a_revision(nora: Visitor) -> None:
    page = nora.go(f"{REPO}/tree/main")
    page.get_by_role("link", name=re.compile("Go to file")).click()
    page.get_by_label("Parts of the path").last.fill("README")
    page.get_by_label("Parts of the path").last.press("Enter")
    page.locator("main").get_by_role("link", name="README.md").first.click()
    assert page.url.endswith(f"{REPO}/blob/main/README.md")


def test_discussing(nora: Visitor, piet: Visitor) -> None:
    page = piet.go(f"{REPO}/discussions/new")
    page.get_by_label("Title").fill("How wide?")
    page.get_by_label("What it is about").fill("How **wide** can it weave?")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".shown-preview strong")).to_have_text("wide")
    expect(page.get_by_label("Title")).to_have_value("How wide?")
    page.get_by_role("button", name="Begin the discussion").click()
    number = page.url.rsplit("/", 1)[1]
    theirs = nora.go(f"{REPO}/discussions/{number}")
    theirs.get_by_label("Your answer").fill("As wide as you like.")
    theirs.get_by_role("button", name="Comment", exact=True).click()
    expect(theirs.locator(".timeline")).to_contain_text("As wide as you like.")
    theirs.locator("#answer").get_by_role("button", name="Close").click()
    found = nora.api(f"/api/models{REPO}/discussions/{number}")
    assert found["status"] == "closed"
    page = piet.go(f"{REPO}/discussions?status=closed")
    page.get_by_label("Words of the title").fill("wide")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".talks .title")).to_contain_text(["How wide?"])


def test_proposing_and_merging(nora: Visitor, piet: Visitor) -> None:
    page = piet.go(f"{REPO}/edit/main/README.md")
    area = page.get_by_label("Content")
    area.fill(area.input_value().replace("cloth", "linen"))
    page.get_by_label("Message").fill("Say linen")
    page.get_by_role("button", name="Commit", exact=True).click()
    assert "/discussions/" in page.url
    number = page.url.rsplit("/", 1)[1]
    theirs = nora.go(f"{REPO}/discussions/{number}/files")
    expect(theirs.locator(".changes")).to_contain_text("linen")
    nora.go(f"{REPO}/discussions/{number}")
    theirs.get_by_role("button", name="Merge").click()
    assert nora.api(f"/api/models{REPO}/discussions/{number}")["status"] == "merged"
    nora.go(REPO)
    expect(theirs.locator("article strong")).to_have_text("linen")


def test_liking_and_watching(piet: Visitor) -> None:
    page = piet.go(REPO)
    page.get_by_role("button", name="Like").click()
    expect(page.get_by_role("button", name="Liked")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Watch").click()
    expect(page.get_by_role("button", name="Watching")).to_be_visible()
    assert piet.api(f"/api/models{REPO}")["likes"] == 1


def test_filtering_sorting_and_searching(nora: Visitor, piet: Visitor) -> None:
    page = piet.go("/models")
    page.get_by_label("Filter by name").fill("loo")
    page.get_by_label("Sort").select_option("createdAt")
    page.get_by_role("button", name="Apply", exact=True).click()
    assert "search=loo" in page.url
    assert "sort=createdAt" in page.url
    expect(page.locator("#results .title a")).to_have_text(["nora/loom"])
    page.get_by_label("Owner").fill("piet")
    page.get_by_role("button", name="Apply filters").click()
    expect(page.locator("#results .empty")).to_be_visible()
    page.locator("header input[name=q]").fill("linen")
    page.locator("header input[name=q]").press("Enter")
    assert "/search?q=linen" in page.url
    expect(page.locator("main")).to_contain_text("nora/loom")


def test_settings_of_an_account(nora: Visitor) -> None:
    page = nora.go("/settings/account")
    page.get_by_label("Full name").fill("Nora Weaver")
    page.locator("form:has([value=profile])").get_by_role("button").last.click()
    assert nora.api("/api/whoami-v2")["fullname"] == "Nora Weaver"
    nora.go("/nora")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nora Weaver")
    nora.go("/settings/appearance")
    page.get_by_label("Dark").check()
    page.locator("main form button").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator("footer").get_by_role("button", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.locator("footer").get_by_role("button", name="English").click()


def test_tokens_with_chosen_permissions(nora: Visitor) -> None:
    page = nora.go("/settings/tokens")
    page.get_by_label("Name").fill("plain")
    page.get_by_label("May", exact=True).select_option("fineGrained")
    page.locator("#fine > summary").click()
    page.locator("#fine details.scope-place").first.locator("[value='repo.content.read']").check()
    page.get_by_role("button", name="Create token").click()
    secret = page.locator("#secret").inner_text().strip()
    answer = nora.context.request.get(
        f"{nora.hub.url}/api/whoami-v2", headers={"Authorization": f"Bearer {secret}", "Cookie": ""}
    )
    assert answer.json()["auth"]["accessToken"]["role"] == "fineGrained"


def test_settings_of_a_repository_and_its_gate(nora: Visitor, piet: Visitor) -> None:
    page = nora.go(f"{REPO}/settings")
    page.get_by_label("Whoever fills in the form").check()
    page.locator("form:has([value=gate])").get_by_role("button", name="Save").click()
    assert nora.api(f"/api/models{REPO}")["gated"] == "auto"
    theirs = piet.go(f"{REPO}/ask-access")
    theirs.get_by_role("button", name="Agree and access").click()
    answer = piet.context.request.get(f"{piet.hub.url}{REPO}/resolve/main/README.md")
    assert answer.status == 200
    page = nora.go(f"{REPO}/settings")
    page.get_by_label("No gate").check()
    page.locator("form:has([value=gate])").get_by_role("button", name="Save").click()
    assert nora.api(f"/api/models{REPO}")["gated"] is False


def test_organizations_and_collections(nora: Visitor) -> None:
    page = nora.go("/organizations/new")
    page.get_by_label("Name", exact=True).fill("weavers")
    page.locator("main form button").first.click()
    nora.go("/weavers")
    expect(page.get_by_role("heading", level=1)).to_contain_text("weavers")
    nora.go("/collections/new?item=model:nora/loom")
    page.get_by_label("Title").fill("Looms")
    page.locator("main form button").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Looms")
    expect(page.locator("main")).to_contain_text("nora/loom")
    found = nora.context.request.get(f"{nora.hub.url}/api/collections?owner=nora").json()
    assert [each["title"] for each in found] == ["Looms"]


def test_the_device_page_refuses_what_it_does_not_know(nora: Visitor) -> None:
    page = nora.go("/device")
    page.get_by_label("Code").fill("XXXX-YYYY")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Code")).to_have_value("XXXX-YYYY")
