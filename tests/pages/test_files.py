"""The pages of files over HTTP: walking, every view, the inspector, history, blame, forms, and what they refuse."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from api.content import Content, Large, Link
from openhood.base.names import RepoType
from openhood.testing.hub import HubUnderTest

Page = httpx.Response
EVIL = "<script>alert(1)</script>"


def weights(count: int = 3, dtype: str = "BF16", prefix: str = "layer") -> bytes:
    """A safetensors file of so many small tensors."""
    header: dict[str, object] = {"__metadata__": {"format": "pt", "note": EVIL}}
    for number in range(count):
        header[f"{prefix}.{number}.weight"] = {
            "dtype": dtype,
            "shape": [2, number + 1],
            "data_offsets": [2 * number * (number + 1), 2 * (number + 1) * (number + 2)],
        }
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(2 * count * (count + 1))


def gguf() -> bytes:
    """A GGUF file with two tensors."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 1)
    head += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    head += text("blk.0.weight") + struct.pack("<IQQIQ", 2, 4, 4, 0, 0)
    head += text("blk.1.weight") + struct.pack("<IQQIQ", 2, 4, 4, 1, 64)
    return head + bytes(-len(head) % 32 + 96)


class Malicious:
    """What a pickle may do."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def torch_file(value: object) -> bytes:
    """An archive such as PyTorch writes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value, 2))
        archive.writestr("archive/data/0", bytes(64))
    return buffer.getvalue()


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
NOTEBOOK = {
    "nbformat": 4,
    "metadata": {"language_info": {"name": "python"}},
    "cells": [
        {"cell_type": "markdown", "source": ["# Title\n", EVIL]},
        {
            "cell_type": "code",
            "execution_count": 7,
            "source": f"print('{EVIL}')",
            "outputs": [
                {"output_type": "stream", "text": [f"said {EVIL}\n"]},
                {
                    "output_type": "display_data",
                    "data": {"text/html": "<b id=html>no</b>", "text/plain": "plain"},
                },
                {"output_type": "display_data", "data": {"image/png": base64.b64encode(PNG).decode()}},
                {"output_type": "display_data", "data": {"image/png": base64.b64encode(b"<svg/>").decode()}},
                {"output_type": "error", "traceback": ["\u001b[31mValueError\u001b[0m: no"]},
            ],
        },
    ],
}
INDEX = {
    "metadata": {"total_size": 1},
    "weight_map": {
        "a.0.weight": "m-00001-of-00002.safetensors",
        "b.0.weight": "m-00002-of-00002.safetensors",
        "c": "gone.safetensors",
    },
}
FILES: dict[str, bytes | Large | Link | None] = {
    "README.md": f"---\nlicense: mit\n---\n# Hello {EVIL}\n\n[next](docs/a.md) ![p](docs/p.png)\n".encode(),
    "docs/a.md": b"# A\n",
    "docs/p.png": PNG,
    "code.py": f'"""{EVIL}"""\nx = 1\n'.encode(),
    "long.txt": b"line\n" * 300_000,
    "empty.txt": b"",
    "rows.csv": b'id,text\n1,"a, b"\n2,' + EVIL.encode() + b"\n" + b"3,x\n" * 300,
    "demo.ipynb": json.dumps(NOTEBOOK).encode(),
    "bad.ipynb": b"{",
    "model.safetensors": Large(weights(600)),
    "shards/m.safetensors.index.json": json.dumps(INDEX).encode(),
    "shards/m-00001-of-00002.safetensors": Large(weights(1, prefix="a")),
    "shards/m-00002-of-00002.safetensors": Large(weights(1, prefix="b")),
    "broken.safetensors": b"not safetensors at all",
    "tiny.gguf": gguf(),
    "bad.bin": torch_file({"a": Malicious()}),
    "good.pt": torch_file(OrderedDict(a=1)),
    "plain.bin": bytes(range(256)),
    "paper.pdf": b"%PDF-1.4",
    "sound.wav": b"RIFF",
    "film.mp4": b"ftyp",
    "link": Link("code.py"),
    f"{EVIL.replace('/', '')}.txt": b"odd name",
}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = hub.client(hub.add_user("alice"))
    content = Content(hub.sv, "alice/m")
    content.commit(FILES, message=f"First {EVIL}\n\nWith a body.")
    content.commit({"code.py": f'"""{EVIL}"""\nx = 2\n'.encode()}, message="Make it two")
    content.point("refs/heads/feature/x", content.ref("refs/heads/main").commit_oid)  # type: ignore[union-attr]
    content.point("refs/tags/v1", content.ref("refs/heads/main").commit_oid)  # type: ignore[union-attr]
    Content(hub.sv, "alice/none")
    return client


@pytest.fixture(scope="module")
def bob(hub: HubUnderTest) -> httpx.Client:
    return hub.client(hub.add_user("bob"))


def get(client: httpx.Client, path: str, status: int = 200) -> Page:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:2000]
    # Whatever a file or its name holds, it never becomes an element of the page.
    assert EVIL not in answer.text
    assert "style=" not in answer.text
    return answer


def head_of(answer: Page) -> str:
    policy = answer.headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    return policy


# --- walking ------------------------------------------------------------------------------------------


def test_a_folder_shows_entries_with_their_last_commits(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/tree/main")
    head_of(page)
    assert page.text.index(">docs<") < page.text.index(">README.md<")  # folders first
    assert "Make it two" in page.text
    assert "First &lt;script&gt;" in page.text
    sha256 = hashlib.sha256(weights(600)).hexdigest()
    assert f"SHA-256 {sha256}" in page.text
    assert 'href="/alice/m/blob/main/code.py"' in page.text
    assert 'href="/alice/m/tree/feature%2Fx"' in page.text
    assert 'href="/alice/m/tree/v1"' in page.text
    assert 'href="/alice/m/upload/main"' in page.text


def test_revisions_are_found_however_they_are_written(alice: httpx.Client) -> None:
    for rev in ("feature%2Fx", "feature/x", "refs%2Fheads%2Fmain", "v1"):
        assert "p.png" in get(alice, f"/alice/m/tree/{rev}/docs").text
    assert get(alice, "/alice/m/tree/v1").text.count("/upload/") == 0  # tags do not change
    get(alice, "/alice/m/tree/nothing", 404)
    get(alice, "/alice/m/tree/main/nothing", 404)
    get(alice, "/alice/m/blob/main/nothing", 404)


def test_addresses_of_folders_and_files_lead_to_each_other(alice: httpx.Client) -> None:
    assert get(alice, "/alice/m/blob/main/docs", 302).headers["location"] == "/alice/m/tree/main/docs"
    assert get(alice, "/alice/m/tree/main/code.py", 302).headers["location"] == "/alice/m/blob/main/code.py"


def test_a_large_folder_comes_page_by_page(hub: HubUnderTest, alice: httpx.Client) -> None:
    content = Content(hub.sv, "alice/rows", kind=RepoType.DATASET)
    content.commit({f"d/{number:05d}.txt": b"x" for number in range(250)})
    seen: list[str] = []
    path: str | None = "/datasets/alice/rows/tree/main/d"
    while path is not None:
        page = get(alice, path)
        seen += re.findall(r"<span>(\d{5})\.txt</span>", page.text)
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        path = None if following is None else unescape(following[1])
    assert seen == [f"{number:05d}" for number in range(250)]
    assert get(alice, "/datasets/alice/rows/tree/main/d?cursor=nonsense", 400)


def test_an_empty_repository_teaches_the_first_upload(alice: httpx.Client, hub: HubUnderTest) -> None:
    page = get(alice, "/alice/none/tree/main")
    assert "hf upload alice/none" in page.text
    assert 'href="/alice/none/upload/main"' in page.text
    assert "/upload/" not in get(hub.client(), "/alice/none/tree/main").text
    get(alice, "/alice/none/tree/other", 404)


def test_files_are_found_by_parts_of_their_paths(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/find/main?q=Docs+png")
    assert 'href="/alice/m/blob/main/docs/p.png"' in page.text
    assert "docs/a.md" not in page.text
    found = get(alice, "/alice/m/find/main?q=safetensors&format=json").json()
    assert found["total"] == 5
    assert found["files"][0]["path"] == "model.safetensors"
    assert "No file" in get(alice, "/alice/m/find/main?q=zzz").text


# --- one file ------------------------------------------------------------------------------------------


def test_code_has_lines_and_words(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blob/main/code.py")
    assert '<tr id="L2"><td class="line" data-line="2"></td>' in page.text
    assert 'class="n">x</span>' in page.text
    assert "&lt;script&gt;" in page.text
    assert 'href="/alice/m/edit/main/code.py"' in page.text
    commit = re.search(r'href="/alice/m/blob/([0-9a-f]{40})/code\.py"', page.text)
    assert commit is not None
    permanent = get(alice, f"/alice/m/blob/{commit[1]}/code.py")
    assert "/edit/" not in permanent.text


def test_long_and_empty_texts_say_so(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blob/main/long.txt")
    assert "Only the beginning is shown" in page.text
    assert len(page.content) < 4_000_000
    assert "This file is empty" in get(alice, "/alice/m/blob/main/empty.txt").text


def test_markdown_is_rendered_and_has_its_code(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blob/main/README.md")
    assert "<h1" in page.text
    assert 'href="/alice/m/blob/main/docs/a.md"' in page.text
    assert 'src="/alice/m/resolve/main/docs/p.png"' in page.text
    assert "license: mit" in page.text
    assert '<tr id="L1">' in get(alice, "/alice/m/blob/main/README.md?view=code").text


def test_media_come_from_sandboxed_addresses(alice: httpx.Client) -> None:
    assert '<img src="/alice/m/resolve/main/docs/p.png"' in get(alice, "/alice/m/blob/main/docs/p.png").text
    assert "<audio" in get(alice, "/alice/m/blob/main/sound.wav").text
    assert "<video" in get(alice, "/alice/m/blob/main/film.mp4").text
    assert "A PDF document" in get(alice, "/alice/m/blob/main/paper.pdf").text
    assert "sandbox" in alice.get("/alice/m/resolve/main/docs/p.png").headers["content-security-policy"]


def test_notebooks_are_cells_without_their_html(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blob/main/demo.ipynb")
    assert "[7]" in page.text
    assert "plain</pre>" in page.text
    assert "id=html" not in page.text
    assert page.text.count('src="data:image/png;base64,') == 1
    assert "ValueError: no" in page.text
    assert "not valid JSON" in get(alice, "/alice/m/blob/main/bad.ipynb").text


def test_tables_show_their_first_rows(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blob/main/rows.csv")
    assert "<td>a, b</td>" in page.text
    assert "The first 200 rows." in page.text
    assert '<tr id="L1">' in get(alice, "/alice/m/blob/main/rows.csv?view=code").text


def test_parquet_shows_columns_and_rows(hub: HubUnderTest, alice: httpx.Client) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(500)), "text": [EVIL] * 500, "tags": [["a"]] * 500}), buffer)
    content = Content(hub.sv, "alice/parquet", kind=RepoType.DATASET)
    content.commit({"a.parquet": Large(buffer.getvalue()), "b.parquet": b"no parquet"})
    address = "/datasets/alice/parquet/blob/main"
    assert "data-load" in get(alice, f"{address}/a.parquet").text
    page = get(alice, f"{address}/a.parquet?view=rows")
    assert "500 rows" in page.text
    assert "int64" in page.text
    assert "&lt;script&gt;" in page.text
    assert "int64" in get(alice, f"{address}/a.parquet").text  # remembered
    assert "not valid Parquet" in get(alice, f"{address}/b.parquet?view=rows").text


def test_pickles_tell_what_they_import(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blob/main/bad.bin")
    assert "posix.system" in page.text
    assert "dangerous imports" in page.text
    good = get(alice, "/alice/m/blob/main/good.pt")
    assert "collections.OrderedDict" in good.text
    assert "runs code that can do anything" not in good.text
    assert "binary file" in get(alice, "/alice/m/blob/main/plain.bin").text


def test_links_show_where_they_lead(alice: httpx.Client) -> None:
    assert "A symbolic link to" in get(alice, "/alice/m/blob/main/link").text


# --- the inspector ----------------------------------------------------------------------------------------


def test_tensors_are_listed_searched_sorted_and_paged(alice: httpx.Client) -> None:
    address = "/alice/m/blob/main/model.safetensors"
    page = get(alice, address)
    assert "layer.499.weight" in page.text
    assert "layer.500.weight" not in page.text
    assert "2 × 3" in page.text
    assert "layer.500.weight" in get(alice, f"{address}?p=1").text
    found = get(alice, f"{address}?q=layer.59").text
    assert "layer.599.weight" in found
    assert "11 of 600 tensors" in found
    first = re.search(r'class="lead mono">([^<]+)<', get(alice, f"{address}?sort=-size").text)
    assert first is not None
    assert first[1] == "layer.599.weight"
    assert "No tensor" in get(alice, f"{address}?q=%3Cscript%3E").text
    assert hashlib.sha256(weights(600)).hexdigest() in page.text


def test_an_index_shows_the_whole_model(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blob/main/shards/m.safetensors.index.json")
    assert "a.0.weight" in page.text
    assert 'href="/alice/m/blob/main/shards/m-00002-of-00002.safetensors"' in page.text
    assert "gone.safetensors" in page.text
    code = get(alice, "/alice/m/blob/main/shards/m.safetensors.index.json?view=code").text
    assert "weight_map" in code


def test_gguf_and_broken_weights(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blob/main/tiny.gguf")
    assert "blk.1.weight" in page.text
    assert "general.architecture" in page.text
    assert "The tensors cannot be read" in get(alice, "/alice/m/blob/main/broken.safetensors").text


# --- looking back -------------------------------------------------------------------------------------------


def test_history_of_a_revision_and_of_a_path(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/commits/main")
    assert "2 commits" in page.text
    assert "With a body." in page.text
    own = get(alice, "/alice/m/commits/main/docs").text
    assert "Make it two" not in own
    assert "First &lt;script&gt;" in own
    get(alice, "/alice/m/commits/main/never", 404)
    assert "No commits here" in get(alice, "/alice/m/commits/main?p=3").text


def test_blame_tells_the_commit_of_each_line(alice: httpx.Client) -> None:
    page = get(alice, "/alice/m/blame/main/code.py")
    assert "Make it two" in page.text
    assert page.text.count('class="first"') == 2
    get(alice, "/alice/m/blame/main/model.safetensors", 422)
    get(alice, "/alice/m/blame/main/docs", 422)


# --- who may -------------------------------------------------------------------------------------------------


def test_a_gate_shows_names_and_keeps_contents(
    hub: HubUnderTest, alice: httpx.Client, bob: httpx.Client
) -> None:
    content = Content(hub.sv, "alice/gated", gated="manual")
    content.commit({"README.md": b"# open", "secret.py": b"sesame = 1", "w.safetensors": Large(weights())})
    tree = get(bob, "/alice/gated/tree/main").text
    assert "secret.py" in tree
    assert "/alice/gated/ask-access" in tree
    assert hashlib.sha256(weights()).hexdigest() not in tree
    for path in ("secret.py", "w.safetensors"):
        page = get(bob, f"/alice/gated/blob/main/{path}").text
        assert "sesame" not in page
        assert "layer.0.weight" not in page
        assert "Ask for access" in page
    assert "<h1" in get(bob, "/alice/gated/blob/main/README.md").text
    assert get(bob, "/alice/gated/blame/main/secret.py", 403)
    assert "layer.0.weight" in get(alice, "/alice/gated/blob/main/w.safetensors").text


def test_private_repositories_are_not_there(hub: HubUnderTest, bob: httpx.Client) -> None:
    Content(hub.sv, "alice/hidden", visibility="private").commit({"a.txt": b"a"})
    for tail in (
        "tree/main",
        "blob/main/a.txt",
        "commits/main",
        "blame/main/a.txt",
        "find/main",
        "edit/main/a.txt",
    ):
        get(bob, f"/alice/hidden/{tail}", 404)


# --- changing ---------------------------------------------------------------------------------------------------


@pytest.fixture
def work(hub: HubUnderTest, alice: httpx.Client, request: pytest.FixtureRequest) -> Content:
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    content = Content(hub.sv, f"alice/{name}".rstrip("-"))
    content.commit(
        {"a.txt": b"one\ntwo\n", "win.txt": b"one\r\ntwo\r\n", "d/b.txt": b"b", "w.bin": Large(b"\0large")}
    )
    return content


def tip(content: Content) -> str:
    ref = content.ref("refs/heads/main")
    assert ref is not None
    return ref.commit_oid


def read(client: httpx.Client, content: Content, path: str, rev: str = "main") -> bytes:
    answer = client.get(f"/{content.repo_id}/resolve/{rev}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


def test_editing_commits_and_keeps_line_ends(alice: httpx.Client, work: Content) -> None:
    form = get(alice, f"/{work.repo_id}/edit/main/a.txt").text
    assert "one\ntwo\n</textarea>" in form
    sent = {"path": "a.txt", "content": "one\r\n2\r\n", "summary": "", "goes": "direct", "parent": tip(work)}
    done = alice.post(f"/{work.repo_id}/edit/main/a.txt", data=sent)
    assert done.status_code == 303, done.text
    assert done.headers["location"] == f"/{work.repo_id}/blob/main/a.txt"
    assert read(alice, work, "a.txt") == b"one\n2\n"
    assert "Update a.txt" in get(alice, f"/{work.repo_id}/commits/main/a.txt").text
    sent |= {"path": "win.txt", "parent": ""}
    assert alice.post(f"/{work.repo_id}/edit/main/win.txt", data=sent).status_code == 303
    assert read(alice, work, "win.txt") == b"one\r\n2\r\n"


def test_a_lost_race_is_told_and_keeps_the_text(alice: httpx.Client, work: Content) -> None:
    before = tip(work)
    work.commit({"a.txt": b"theirs\n"}, message="Faster")
    sent = {"path": "a.txt", "content": f"mine {EVIL}", "summary": "Mine", "goes": "direct", "parent": before}
    lost = alice.post(f"/{work.repo_id}/edit/main/a.txt", data=sent)
    assert lost.status_code == 412
    assert "Somebody was faster" in lost.text
    assert "mine &lt;script&gt;" in lost.text
    assert EVIL not in lost.text
    assert read(alice, work, "a.txt") == b"theirs\n"
    parent = re.search(r'name="parent" value="([0-9a-f]{40})"', lost.text)
    seen = re.search(r'name="seen" value="([0-9a-f]{40})"', lost.text)
    assert parent is not None
    assert seen is not None
    assert (parent[1], seen[1]) == (tip(work), before)
    assert f"/compare/{before}..{tip(work)}" in lost.text
    assert re.search(r'value="pull" checked', lost.text)
    told = sent | {"parent": parent[1], "seen": seen[1]}
    proposed = alice.post(f"/{work.repo_id}/edit/main/a.txt", data=told | {"goes": "pull"})
    assert proposed.status_code == 303
    # It begins where its author saw the file: theirs is not undone by it.
    number = proposed.headers["location"].rsplit("/", 1)[1]
    history = alice.get(f"/api/models/{work.repo_id}/commits/refs%2Fpr%2F{number}").json()
    assert [each["id"] for each in history][1] == before
    assert alice.post(f"/{work.repo_id}/edit/main/a.txt", data=told).status_code == 303


def test_a_race_about_another_file_is_no_obstacle(alice: httpx.Client, work: Content) -> None:
    before = tip(work)
    work.commit({"other.txt": b"theirs\n"}, message="Faster")
    sent = {"path": "a.txt", "content": "mine", "summary": "Mine", "goes": "direct", "parent": before}
    assert alice.post(f"/{work.repo_id}/edit/main/a.txt", data=sent).status_code == 303
    assert read(alice, work, "a.txt") == b"mine"
    assert read(alice, work, "other.txt") == b"theirs\n"


def test_a_mistake_does_not_hide_a_race(alice: httpx.Client, work: Content) -> None:
    before = tip(work)
    work.commit({"a.txt": b"theirs\n"}, message="Faster")
    sent = {"path": "d/b.txt", "content": "mine", "summary": "Mine", "goes": "direct", "parent": before}
    refused = alice.post(f"/{work.repo_id}/edit/main/a.txt", data=sent)
    assert refused.status_code == 400
    assert f'name="parent" value="{before}"' in refused.text


def test_renaming_text_and_large_files(alice: httpx.Client, work: Content) -> None:
    sent = {"path": "n/c.txt", "content": "one\r\ntwo\r\n", "summary": "Move", "goes": "direct", "parent": ""}
    assert alice.post(f"/{work.repo_id}/edit/main/a.txt", data=sent).status_code == 303
    assert read(alice, work, "n/c.txt") == b"one\ntwo\n"
    assert alice.get(f"/{work.repo_id}/resolve/main/a.txt").status_code == 404
    assert "only its name can be changed" in get(alice, f"/{work.repo_id}/edit/main/w.bin").text
    assert alice.post(f"/{work.repo_id}/edit/main/w.bin", data={"path": "v.bin"}).status_code == 303
    assert read(alice, work, "v.bin") == b"\0large"
    taken = alice.post(f"/{work.repo_id}/edit/main/v.bin", data={"path": "d/b.txt"})
    assert taken.status_code == 400
    assert "There is a" in unescape(taken.text)
    assert alice.post(f"/{work.repo_id}/edit/main/v.bin", data={"path": "../x"}).status_code in (400, 422)


def test_creating_refuses_what_is_taken(alice: httpx.Client, work: Content) -> None:
    assert 'value="d/"' in get(alice, f"/{work.repo_id}/new/main/d").text
    made = alice.post(
        f"/{work.repo_id}/new/main", data={"path": "x/y.md", "content": "# Y", "goes": "direct"}
    )
    assert made.status_code == 303, made.text
    assert read(alice, work, "x/y.md") == b"# Y"
    again = alice.post(f"/{work.repo_id}/new/main", data={"path": "x/y.md", "content": "kept words"})
    assert again.status_code == 400
    assert "kept words" in again.text


def test_proposing_opens_a_pull_request(hub: HubUnderTest, bob: httpx.Client, work: Content) -> None:
    form = get(bob, f"/{work.repo_id}/edit/main/a.txt").text
    assert 'value="direct"' not in form
    sent = {"path": "a.txt", "content": "better", "summary": "Better", "goes": "direct", "parent": tip(work)}
    done = bob.post(f"/{work.repo_id}/edit/main/a.txt", data=sent)
    assert done.status_code == 303
    number = done.headers["location"].rpartition("/")[2]
    assert done.headers["location"] == f"/{work.repo_id}/discussions/{number}"
    assert read(bob, work, "a.txt", f"refs%2Fpr%2F{number}") == b"better"
    assert read(bob, work, "a.txt") == b"one\ntwo\n"
    # Its author may go on with it.
    more = {"path": "a.txt", "content": "best", "parent": ""}
    assert bob.post(f"/{work.repo_id}/edit/refs%2Fpr%2F{number}/a.txt", data=more).status_code == 303
    assert read(bob, work, "a.txt", f"refs%2Fpr%2F{number}") == b"best"


def test_deleting_a_file_and_a_folder(alice: httpx.Client, work: Content) -> None:
    assert "the folder with everything" in get(alice, f"/{work.repo_id}/delete/main/d").text
    assert alice.post(f"/{work.repo_id}/delete/main/d", data={}).status_code == 303
    assert alice.post(f"/{work.repo_id}/delete/main/a.txt", data={"summary": "Gone"}).status_code == 303
    assert alice.get(f"/{work.repo_id}/resolve/main/d/b.txt").status_code == 404
    get(alice, f"/{work.repo_id}/delete/main/a.txt", 404)


def test_uploading_without_scripts(alice: httpx.Client, work: Content, hub: HubUnderTest) -> None:
    get(alice, f"/{work.repo_id}/upload/main/d")
    files = [("files", ("new.txt", b"new")), ("files", ("p.png", PNG))]
    done = alice.post(f"/{work.repo_id}/upload/main/d", data={"folder": "d/e"}, files=files)
    assert done.status_code == 303, done.text
    assert done.headers["location"] == f"/{work.repo_id}/tree/main/d/e"
    assert read(alice, work, "d/e/new.txt") == b"new"
    assert read(alice, work, "d/e/p.png") == PNG
    raw = alice.get(f"/{work.repo_id}/raw/main/d/e/p.png").content
    assert raw.startswith(b"version https://git-lfs")  # what belongs into LFS went there
    none = alice.post(f"/{work.repo_id}/upload/main", data={"folder": ""}, files=[("other", ("x", b"x"))])
    assert none.status_code == 400
    assert "at least one file" in none.text


def test_the_first_files_of_an_empty_repository(hub: HubUnderTest, alice: httpx.Client) -> None:
    content = Content(hub.sv, "alice/fresh")
    get(alice, "/alice/fresh/upload/main")
    done = alice.post("/alice/fresh/upload/main", data={"folder": ""}, files=[("files", ("a.txt", b"a"))])
    assert done.status_code == 303, done.text
    assert read(alice, content, "a.txt") == b"a"


def test_forms_ask_strangers_to_sign_in_and_refuse_other_sites(
    hub: HubUnderTest, alice: httpx.Client, work: Content
) -> None:
    nobody = hub.client()
    for tail in ("edit/main/a.txt", "new/main", "delete/main/a.txt", "upload/main"):
        asked = nobody.get(f"/{work.repo_id}/{tail}")
        assert asked.status_code == 303
        assert asked.headers["location"].startswith("/login?next=")
        headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert alice.post(f"/{work.repo_id}/{tail}", data={}, headers=headers).status_code == 403
    get(alice, f"/{work.repo_id}/edit/{tip(work)}/a.txt", 400)
