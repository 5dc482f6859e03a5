"""Uploading by hand: files and folders, a line that breaks, names that are taken, and a branch that moved on."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

from playwright.sync_api import Browser, Page, Request, expect

from browser import kit
from browser.kit import LiveHub
from browser.workshop import commit, create, drop, open_workshop
from openhood.testing import server

MIB = 1024 * 1024
PART = 5 * MIB


def _state(page: Page, path: str) -> str:
    return page.locator(".uploads li", has=page.get_by_text(path, exact=True)).locator(".state").inner_text()


def _go(page: Page) -> None:
    page.get_by_role("button", name="Upload and commit").click()


def test_files_and_a_folder_become_a_pull_request_with_a_message(
    chromium: Browser, workshop: LiveHub, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    (folder / "birds" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (folder / "list.txt").write_text("wren\n")
    (folder / "birds" / "wren.bin").write_bytes(b"\0" + secrets.token_bytes(300_000))
    (folder / "birds" / "deep" / "é.txt").write_text("é")
    (tmp_path / "notes.log").write_text("left out")
    (tmp_path / "read me.txt").write_text("a space")
    with workshop.client("lila") as lila:
        create(lila, "nest")
        commit(lila, "/api/models/lila/nest", {".gitignore": b"*.log\n"})
    with kit.visit(chromium, workshop, "omar") as visitor:
        page = visitor.go("/lila/nest/upload/main")
        drop(page, ".drop", [folder, tmp_path / "notes.log", tmp_path / "read me.txt"])
        expect(page.locator(".uploads .name")).to_have_text(
            [
                "pictures/birds/deep/é.txt",
                "pictures/birds/wren.bin",
                "pictures/list.txt",
                "notes.log",
                "read me.txt",
            ],
            use_inner_text=True,
        )
        page.get_by_role("button", name="Remove pictures/list.txt").click()
        page.get_by_label("Folder").fill("garden")
        page.get_by_label("Message").fill("Birds of the garden")
        page.get_by_label("Description").fill("Seen in **May**.")
        expect(page.get_by_label("As a pull request")).to_be_checked()
        _go(page)
        page.wait_for_url("**/lila/nest/discussions/*")
        expect(page.get_by_role("heading", level=1, name="Birds of the garden")).to_be_visible()
        expect(page.locator(".timeline strong", has_text="May")).to_be_visible()
        tree = visitor.context.request.get(
            f"{workshop.url}/api/models/lila/nest/tree/refs%2Fpr%2F1?recursive=true"
        ).json()
        found = {each["path"] for each in tree if each["type"] == "file"}
        assert found - {".gitignore", ".gitattributes"} == {
            "garden/pictures/birds/wren.bin", "garden/pictures/birds/deep/é.txt", "garden/read me.txt",
        }  # fmt: skip
        assert visitor.watch.take() == []


def test_a_large_file_goes_on_after_the_hub_was_gone_and_the_page_was_loaded_anew(
    chromium: Browser, tmp_path: Path
) -> None:
    data = secrets.token_bytes(MIB) * 30
    large = tmp_path / "weights.bin"
    large.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    env = {"OPENHOOD_LIMITS_LFS_PART_BYTES": str(PART)}
    with open_workshop(env) as live, kit.visit(chromium, live, "lila") as visitor:
        with live.client("lila") as lila:
            create(lila, "heavy")
        sent: list[str] = []
        arrived: list[str] = []

        def started(request: Request) -> None:
            if request.method == "PUT":
                sent.append(request.url.partition("?")[0].rpartition("/")[2])

        def finished(request: Request) -> None:
            if request.method == "PUT":
                arrived.append(request.url.partition("?")[0].rpartition("/")[2])
                if len(arrived) == 2:
                    live.server.kill()

        page = visitor.go("/lila/heavy/upload/main")
        page.on("request", started)
        page.on("requestfinished", finished)
        drop(page, ".drop", [large])
        _go(page)
        expect(page.locator(".overall [role=status]")).to_contain_text("MB /")
        page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('upload:'))")
        while len(arrived) < 2:
            page.wait_for_timeout(50)
        port = int(live.url.rpartition(":")[2])
        # Away for some seconds: the page waits and goes on by itself.
        page.wait_for_timeout(2500)
        with server.start_server(live.data_dir, env=env, port=port):
            while len(arrived) < 4:
                page.wait_for_timeout(50)
            page.on("dialog", lambda dialog: dialog.accept())
            before = set(arrived)
            page.reload()
            expect(page.locator(".interrupted")).to_contain_text("weights.bin")
            sent.clear()
            drop(page, ".drop", [large])
            _go(page)
            page.wait_for_url("**/lila/heavy/tree/main")
            assert len(before) >= 4
            # What was under way when the page went may have to come again; what had arrived does not.
            assert len(sent) <= 6 - len(before) + 1, (sent, before)
            assert not set(sorted(before)[:3]) & set(sent)
            tree = visitor.context.request.get(f"{live.url}/api/models/lila/heavy/tree/main").json()
            assert next(each for each in tree if each["path"] == "weights.bin")["lfs"]["oid"] == digest
            visitor.go("/lila/heavy/upload/main")
            expect(page.locator(".interrupted")).to_be_hidden()


def test_a_stopped_upload_can_be_begun_again(chromium: Browser, workshop: LiveHub, tmp_path: Path) -> None:
    large = tmp_path / "big.bin"
    large.write_bytes(b"\0" + secrets.token_bytes(MIB) * 20)
    with workshop.client("lila") as lila:
        create(lila, "stopping")
    with kit.visit(chromium, workshop, "lila") as visitor:
        page = visitor.go("/lila/stopping/upload/main")
        visitor.context.set_offline(True)
        page.evaluate("window.isSamePage = true")
        drop(page, ".drop", [large])
        _go(page)
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("alert")).to_contain_text("Stopped.")
        visitor.context.set_offline(False)
        expect(page.locator(".uploads li")).to_have_count(1)
        assert page.evaluate("window.isSamePage")
        _go(page)
        page.wait_for_url("**/lila/stopping/tree/main")
        expect(page.locator("table.tree")).to_contain_text("big.bin")


def test_names_that_are_taken_are_told_before_and_races_after(
    chromium: Browser, workshop: LiveHub, tmp_path: Path
) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"mine {name}\n")
    api = "/api/models/lila/races"
    with workshop.client("lila") as lila, kit.visit(chromium, workshop, "lila") as visitor:
        create(lila, "races")
        commit(lila, api, {"a.txt": b"first\n", "folder/x.txt": b"x"})
        page = visitor.go("/lila/races/upload/main")
        drop(page, ".drop", [tmp_path / "a.txt", tmp_path / "b.txt"])
        row = page.locator(".uploads li", has_text="a.txt")
        expect(row.locator(".state")).to_contain_text("takes the place of the file that is there")
        assert "place" not in _state(page, "b.txt")
        # Others changed something else: nobody needs to know.
        commit(lila, api, {"z.txt": b"theirs\n"})
        _go(page)
        page.wait_for_url("**/lila/races/tree/main")
        assert lila.get("/lila/races/resolve/main/z.txt").text == "theirs\n"
        assert lila.get("/lila/races/resolve/main/a.txt").text == "mine a.txt\n"

        # Others changed the very file: it is theirs until a person decides.
        visitor.watch.take()
        page = visitor.go("/lila/races/upload/main")
        drop(page, ".drop", [tmp_path / "c.txt"])
        expect(page.locator(".uploads li")).to_have_count(1)
        page.get_by_label("Message").fill("Third")
        commit(lila, api, {"c.txt": b"theirs\n"})
        _go(page)
        expect(page.get_by_role("alert")).to_contain_text(re.compile("somebody else changed: c.txt"))
        expect(page.get_by_label("Message")).to_have_value("Third")
        assert lila.get("/lila/races/resolve/main/c.txt").text == "theirs\n"
        _go(page)
        page.wait_for_url("**/lila/races/tree/main")
        assert lila.get("/lila/races/resolve/main/c.txt").text == "mine c.txt\n"

        # A file cannot stand where a folder is: the hub says so, and the choice stays.
        page = visitor.go("/lila/races/upload/main")
        (tmp_path / "folder").write_text("no folder")
        drop(page, ".drop", [tmp_path / "folder"])
        _go(page)
        expect(page.get_by_role("alert")).to_contain_text("folder")
        expect(page.locator(".uploads li")).to_have_count(1)


def test_what_is_too_large_is_said_in_words(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "huge.bin").write_bytes(b"\0" * 2_000_000)
    (tmp_path / "small.txt").write_text("small\n")
    with open_workshop({"OPENHOOD_LIMITS_LFS_FILE_BYTES": "1000000"}) as live:
        with live.client("lila") as lila:
            create(lila, "limits")
        with kit.visit(chromium, live, "lila") as visitor:
            page = visitor.go("/lila/limits/upload/main")
            drop(page, ".drop", [tmp_path / "huge.bin", tmp_path / "small.txt"])
            _go(page)
            alert = page.get_by_role("alert")
            expect(alert).to_contain_text("huge.bin has 2000000 bytes; this hub takes files up to 1000000.")
            expect(alert).not_to_contain_text("Try again")
            page.get_by_role("button", name="Remove huge.bin").click()
            _go(page)
            page.wait_for_url("**/lila/limits/tree/main")
            expect(page.locator("table.tree")).to_contain_text("small.txt")
