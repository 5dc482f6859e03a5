"""Finding one's way in a repository by keyboard: a file among thousands, a tensor among many, a commit among merges."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from browser import kit
from browser.kit import LiveHub
from browser.workshop import commit, create
from openhood.demo.weights import gguf
from openhood.testing import server
from openhood.testing.processes import clean_environment

LAYERS = 400


def _shard(names: list[str]) -> bytes:
    """A safetensors file of small tensors."""
    head = {
        name: {"dtype": "F16", "shape": [2, 2], "data_offsets": [8 * at, 8 * at + 8]}
        for at, name in enumerate(names)
    }
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8 * len(names))


def test_one_file_among_thousands_is_gone_to(chromium: Browser, workshop: LiveHub) -> None:
    with workshop.client("lila") as lila:
        create(lila, "many")
        files = {f"part-{at % 50}/deep/file-{at:05d}.txt": b"%d" % at for at in range(6000)}
        commit(lila, "/api/models/lila/many", files)
    with kit.visit(chromium, workshop) as visitor:
        page = visitor.go("/lila/many/tree/main")
        page.keyboard.press("t")
        finder = page.locator("dialog.finder")
        expect(finder.locator("[role=option]").first).to_be_visible()
        expect(finder.get_by_role("combobox")).to_be_focused()
        # Typed at once and entered at once: what is opened is what was meant.
        page.keyboard.type("deep 04711")
        page.keyboard.press("Enter")
        page.wait_for_url("**/lila/many/blob/main/part-11/deep/file-04711.txt")
        page.keyboard.press("t")
        page.keyboard.type("p-13 file-000")
        expect(finder.locator(".hint")).to_have_text("No file has all of this in its path.")
        page.keyboard.press("Control+a")
        page.keyboard.type("part-13/ file-00")
        options = finder.locator("[role=option]")
        expect(options).to_have_count(20)
        page.keyboard.press("ArrowDown")
        second = options.nth(1)
        expect(second).to_have_attribute("aria-selected", "true")
        named = second.inner_text()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/lila/many/blob/main/{named}")
        page.keyboard.press("t")
        page.keyboard.press("Escape")
        expect(finder).to_be_hidden()
        assert visitor.watch.take() == []


def test_tensors_of_shards_and_of_gguf_are_searched(chromium: Browser, workshop: LiveHub) -> None:
    shards = {
        f"model-0000{number + 1}-of-00002.safetensors": [
            f"layers.{layer}.{part}.weight" for layer in range(number, LAYERS, 2) for part in ("q", "k")
        ]
        for number in range(2)
    }
    index = {"metadata": {}, "weight_map": {name: file for file, names in shards.items() for name in names}}
    blocks = {f"blk.{at}.weight": np.zeros((2, 32), np.float32) for at in range(40)}
    made = gguf(blocks, name="Tiny", context=8, layers=40, hidden=32, words=["a", "b"])
    with workshop.client("lila") as lila:
        create(lila, "sharded")
        commit(lila, "/api/models/lila/sharded", {
            **{file: _shard(names) for file, names in shards.items()},
            "model.safetensors.index.json": json.dumps(index).encode(), "tiny.gguf": made,
        })  # fmt: skip
    with kit.visit(chromium, workshop) as visitor:
        page = visitor.go("/lila/sharded/blob/main/model.safetensors.index.json")
        inspector = page.locator("[data-inspector]")
        expect(inspector).to_contain_text("800")
        page.evaluate("window.isSamePage = true")
        field = inspector.get_by_role("searchbox")
        field.press_sequentially("layers.17. q")
        expect(inspector.locator("tbody tr", has_text="layers.17.q.weight")).to_have_count(1)
        expect(inspector.get_by_role("status")).to_have_text("1 of 800 tensors")
        expect(field).to_be_focused()
        expect(field).to_have_value("layers.17. q")
        expect(page).to_have_url(re.compile("q=layers"))
        assert page.evaluate("window.isSamePage")
        page.reload()
        expect(inspector.get_by_role("status")).to_have_text("1 of 800 tensors")
        field.fill("")
        expect(inspector.get_by_role("status")).to_have_text("800 tensors")
        name = inspector.get_by_role("columnheader", name=re.compile("^Tensor( .)?$")).get_by_role("link")
        name.focus()
        page.keyboard.press("Enter")
        expect(inspector.get_by_role("columnheader", name=re.compile("^Tensor( .)?$"))).to_have_attribute(
            "aria-sort", "ascending"
        )
        expect(name).to_be_focused()
        visitor.go("/lila/sharded/blob/main/tiny.gguf")
        field.press_sequentially("blk.17")
        expect(inspector.locator("tbody tr", has_text="blk.17.weight")).to_have_count(1)
        expect(inspector.locator("tbody tr", has_text="blk.0.weight")).to_have_count(0)
        assert visitor.watch.take() == []


def _git(folder: Path, *words: str) -> None:
    who = {"GIT_AUTHOR_NAME": "Lila", "GIT_AUTHOR_EMAIL": "lila@example.org"}
    who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
    environment = {**clean_environment(), **who, "HOME": str(folder.parent), "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def woven(workshop: LiveHub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pushed repository whose history has three merges, a branch, and a tag."""
    made = server.run_cli(
        workshop.data_dir, "token", "create", "lila", "--name", "git", "--role", "write", "--json"
    )
    token = json.loads(made.stdout)["token"]
    with workshop.client("lila") as lila:
        create(lila, "woven")
    folder = tmp_path_factory.mktemp("git") / "woven"
    folder.mkdir()
    _git(folder, "init", "-q", "-b", "main")

    def write(name: str) -> None:
        (folder / f"{name}.txt").write_text(name)
        _git(folder, "add", ".")
        _git(folder, "commit", "-q", "-m", f"Add {name}")

    write("start")
    for side in ("one", "two", "three"):
        _git(folder, "checkout", "-q", "-b", f"side-{side}")
        write(f"{side}-a")
        write(f"{side}-b")
        _git(folder, "checkout", "-q", "main")
        write(f"main-{side}")
        _git(folder, "merge", "-q", "--no-ff", "-m", f"Merge {side}", f"side-{side}")
    _git(folder, "tag", "v1")
    _git(folder, "checkout", "-q", "-b", "open-end")
    write("open")
    remote = workshop.url.replace("http://", f"http://lila:{token}@") + "/lila/woven"
    _git(folder, "push", "-q", "--force", remote, "main", "open-end", "v1")
    return "/lila/woven/commits/main"


@pytest.mark.parametrize("size", [kit.WIDE, kit.NARROW], ids=["wide", "narrow"])
def test_the_graph_of_merges_is_walked(
    chromium: Browser, workshop: LiveHub, woven: str, size: dict[str, int]
) -> None:
    with kit.visit(chromium, workshop, size=size) as visitor:
        page = visitor.go(woven)
        rows = page.locator("ul.commits > li")
        expect(rows).to_have_count(13)
        expect(page.locator("svg.graph circle")).to_have_count(13)
        expect(page.locator("ul.commits .facts", has_text="merge")).to_have_count(3)
        expect(rows.first.locator(".ref-chips")).to_contain_text("main")
        expect(rows.first.locator(".ref-chips")).to_contain_text("v1")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        wrong = page.evaluate(_GRAPH)
        assert wrong == []
        link = rows.nth(1).locator(".title a").first
        link.focus()
        words = link.inner_text()
        page.keyboard.press("Enter")
        page.wait_for_url("**/lila/woven/commit/*")
        expect(page.locator("h1, h2").filter(has_text=words).first).to_be_visible()
        assert visitor.watch.take() == []


# Dots lie within their drawing, drawings beside the words and not under them, and every row's strokes meet the next row's.
_GRAPH = """
[...document.querySelectorAll("ul.commits > li")].flatMap((row) => {
  const drawing = row.querySelector("svg.graph").getBoundingClientRect();
  const dot = row.querySelector("circle").getBoundingClientRect();
  const title = row.querySelector(".title").getBoundingClientRect();
  const wrong = [];
  if (dot.left < drawing.left || dot.right > drawing.right) wrong.push(`dot outside: ${row.innerText}`);
  if (title.left < dot.right) wrong.push(`words on the drawing: ${row.innerText}`);
  if (drawing.height < row.getBoundingClientRect().height - 2) wrong.push(`gap: ${row.innerText}`);
  return wrong;
})
"""
