"""The data studio over HTTP: rows without scripts, questions in the address, states, rights, and hostile cells."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator

import httpx
import pytest

from openhood.testing.hub import HubUnderTest
from viewer import samples
from viewer.conftest import Desk, open_desk

EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """Alice's desk in a hub of this module."""
    with HubUnderTest() as hub:
        yield open_desk(hub)


@pytest.fixture(scope="module")
def films(desk: Desk) -> str:
    """A dataset of two splits, one of several pages."""
    lines = [f"{number},Film {number},{1950 + number % 50}" for number in range(250)]
    return desk.make(
        {"train.csv": "id,title,year\n" + "\n".join(lines) + "\n", "test.csv": "id,title,year\n1,Play,2000\n"}
    )


def _page(desk: Desk, path: str, *, by: httpx.Client | None = None) -> httpx.Response:
    return (by or desk.stranger).get(path)


def _first_cells(text: str) -> list[str]:
    return re.findall(r'<tr><th scope="row" class="at">([\d,]+)</th>', text)


def test_the_first_split_is_shown_with_ways_to_the_others(desk: Desk, films: str) -> None:
    answer = _page(desk, f"/datasets/{films}/viewer")
    assert answer.status_code == 200
    assert f'href="/datasets/{films}/viewer/default/test"' in answer.text
    assert "Film 0" in answer.text
    assert "250 rows" in answer.text
    assert len(_first_cells(answer.text)) == 100
    assert 'aria-current="page"' in answer.text
    assert "Play" in _page(desk, f"/datasets/{films}/viewer/default/test").text


def test_pages_orders_conditions_and_searches_are_addresses(desk: Desk, films: str) -> None:
    root = f"/datasets/{films}/viewer/default/train"
    second = _page(desk, f"{root}?p=2").text
    assert _first_cells(second)[0] == "200"
    assert f'rel="prev" href="{root}?p=1"' in second
    assert 'rel="next"' not in second
    ordered = _page(desk, root + "?orderby=" + '"id" DESC').text
    assert _first_cells(ordered)[0] == "249"
    assert 'aria-sort="descending"' in ordered
    found = _page(desk, root + '?where="year" = 1953').text
    assert _first_cells(found) == ["3", "53", "103", "153", "203"]
    assert _first_cells(_page(desk, root + "?q=film 17").text)[0] == "17"
    assert "No row is like this" in _page(desk, root + "?q=nothing").text


def test_a_mistake_in_a_condition_stands_beside_it(desk: Desk, films: str) -> None:
    answer = _page(desk, f"/datasets/{films}/viewer/default/train?where=" + '"nope" = 1; DROP')
    assert answer.status_code == 200
    assert 'id="mistake" role="alert"' in answer.text
    assert 'value=""nope" = 1; DROP"' in html.unescape(answer.text)
    assert "Film 0" in answer.text, "the rows are shown nevertheless"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"notes.bin": "x"}, "Upload CSV, JSON Lines, Parquet"),
        ({"README.md": "---\nviewer: false\n---\n", "train.csv": "a\n1\n"}, "viewer: false"),
        ({"train.parquet": b"PAR1 this is no table PAR1"}, "There is no table to show"),
    ],
)
def test_what_cannot_be_shown_says_what_to_do(desk: Desk, files: dict[str, bytes | str], said: str) -> None:
    answer = _page(desk, f"/datasets/{desk.make(files)}/viewer")
    assert answer.status_code == 200
    assert said in html.unescape(answer.text)


def test_unknown_splits_and_datasets(desk: Desk, films: str) -> None:
    assert "has no split" in html.unescape(_page(desk, f"/datasets/{films}/viewer/default/nope").text)
    assert _page(desk, "/datasets/alice/nothing/viewer").status_code in (401, 404)


def test_private_and_gated_rows_stay_where_they_are(desk: Desk) -> None:
    private = desk.make({"train.csv": "word\nsecretword\n"}, private=True)
    assert "secretword" in _page(desk, f"/datasets/{private}/viewer", by=desk.alice).text
    gated = desk.make({"train.csv": "word\nsecretword\n"}, gated="manual")
    for repo in (private, gated):
        for path in ("viewer", "embed/viewer", "viewer/default/train", "embed/viewer/default/train"):
            for viewer in (desk.stranger, desk.bob):
                assert "secretword" not in _page(desk, f"/datasets/{repo}/{path}", by=viewer).text
        embedded = _page(desk, f"/datasets/{repo}/embed/viewer", by=desk.alice)
        assert "secretword" not in embedded.text, "a frame on another site acts for nobody"
    assert "behind its gate" in _page(desk, f"/datasets/{gated}/viewer", by=desk.bob).text


def test_only_the_embedded_page_may_be_framed(desk: Desk, films: str) -> None:
    page = _page(desk, f"/datasets/{films}/viewer")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    embedded = _page(desk, f"/datasets/{films}/embed/viewer/default/train")
    assert "frame-ancestors *" in embedded.headers["content-security-policy"]
    assert "x-frame-options" not in embedded.headers
    assert "script-src 'self'" in embedded.headers["content-security-policy"]
    assert "Film 0" in embedded.text


def test_cells_and_names_are_text_and_nothing_else(desk: Desk) -> None:
    line = json.dumps({EVIL: EVIL, "deep": {"k": [EVIL]}, "url": "javascript:alert(1)"})
    repo = desk.make({"train.jsonl": line + "\n"})
    text = _page(desk, f"/datasets/{repo}/viewer?q={EVIL}").text
    plain = _page(desk, f"/datasets/{repo}/viewer").text
    for page in (text, plain):
        assert "<img src=x" not in page
        assert 'href="javascript:' not in page
    facts = re.search(r'<script type="application/json" id="studio-facts">(.*?)</script>', plain, re.DOTALL)
    assert facts is not None
    read = json.loads(facts[1])
    assert read["page"]["rows"][0]["row"][EVIL] == EVIL


def test_only_who_may_propose_is_offered_editing(desk: Desk, films: str) -> None:
    assert 'data-opens="edit"' in _page(desk, f"/datasets/{films}/viewer", by=desk.bob).text
    assert 'data-opens="edit"' not in _page(desk, f"/datasets/{films}/viewer").text
    pictures = desk.make({"train/a.png": samples.png()})
    page = _page(desk, f"/datasets/{pictures}/viewer", by=desk.alice).text
    assert 'data-opens="edit"' not in page
    assert 'alt="a.png"' in page


def test_a_dataset_page_leads_here(desk: Desk, films: str) -> None:
    page = _page(desk, f"/datasets/{films}").text
    assert f'href="/datasets/{films}/viewer"' in page
    assert "data-preview=" in page


def test_a_pull_request_leads_to_its_rows(desk: Desk, films: str) -> None:
    edited = desk.alice.post(
        f"/api/datasets/{films}/viewer/edit",
        json={
            "config": "default",
            "split": "train",
            "summary": "A title",
            "changes": [{"row_idx": 3, "column": "title", "value": "Playtime"}],
            "deleted": [5],
        },
    ).json()
    files = _page(desk, f"/datasets/{films}/discussions/{edited['pullRequestNum']}/files").text
    found = re.search(rf'href="(/datasets/{films}/viewer\?[^"]*)">Rows that changed', files)
    assert found, files[:2000]
    address = html.unescape(found[1])
    assert edited["commitOid"] in address
    assert _page(desk, address).status_code == 200
    asked = dict(each.split("=") for each in address.partition("?")[2].split("&"))
    assert asked.pop("view") == "diff"
    rows = desk.get(films, "diff", config="default", split="train", key="id", **asked)
    assert rows["counts"] == {"added": 0, "removed": 1, "changed": 1, "unchanged": 248}


def test_no_table_no_rows_to_compare(desk: Desk, films: str) -> None:
    commit = desk.commit(films, {"README.md": "# Films"})
    assert "Rows that changed" not in _page(desk, f"/datasets/{films}/commit/{commit}").text
