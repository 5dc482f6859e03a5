"""Full-text search: whole words in any text column, best rows first, by reading or by an index alike."""

from __future__ import annotations

import re
import time
from typing import Any

import pyarrow as pa
import pytest

from openhood.domain.viewer import searching
from viewer import samples
from viewer.conftest import Desk

TEXTS = [
    "The quick brown fox",
    "A fox and another fox",
    "quicksand is not quick",
    "nothing here",
    "Über den Wolken",
    "foxes are others",
    "fox, quick!",
    None,
]


@pytest.fixture(scope="module")
def repo(desk: Desk) -> str:
    """A dataset of two files with a text column, a nested one and a number."""
    rows = pa.table(
        {
            "n": range(len(TEXTS)),
            "text": pa.array(TEXTS, pa.string()),
            "chat": pa.array([[{"role": "user", "content": f"turn {n}"}] for n in range(len(TEXTS))]),
        }
    )
    return desk.make(
        {
            "data/train-00000-of-00002.parquet": samples.parquet(rows.slice(0, 3)),
            "data/train-00001-of-00002.parquet": samples.parquet(rows.slice(3)),
        }
    )


def _found(desk: Desk, repo: str, query: str, **params: Any) -> list[int]:
    answer = desk.get(repo, "search", config="default", split="train", query=query, **params)
    assert all(item["row"]["n"] == item["row_idx"] for item in answer["rows"])
    return [item["row_idx"] for item in answer["rows"]]


def test_the_rows_with_most_of_the_words_come_first(desk: Desk, repo: str) -> None:
    assert _found(desk, repo, "quick fox") == [0, 6, 1, 2]
    assert _found(desk, repo, "FOX") == [1, 0, 6]


def test_pages_follow_each_other(desk: Desk, repo: str) -> None:
    whole = _found(desk, repo, "quick fox")
    assert [_found(desk, repo, "quick fox", offset=at, length=1)[0] for at in range(len(whole))] == whole
    assert _found(desk, repo, "fox quick", offset=1, length=2) == whole[1:3]
    assert _found(desk, repo, "fox", offset=1, length=1) == [0]


@pytest.mark.parametrize("word", ["role", "content", "chat"])
def test_names_of_columns_and_of_parts_are_no_text(desk: Desk, repo: str, word: str) -> None:
    assert _found(desk, repo, word) == []


def test_texts_are_found_however_deep_they_are(desk: Desk) -> None:
    made = pa.table(
        {
            "n": range(3),
            "tags": pa.array([["one", None, "two words"], None, []], pa.list_(pa.string())),
            "deep": pa.array(
                [None, {"a": [{"b": "deep\ntext", "c": 5}], "d": None}, {"a": None, "d": "five"}],
                pa.struct(
                    [("a", pa.list_(pa.struct([("b", pa.string()), ("c", pa.int64())]))), ("d", pa.string())]
                ),
            ),
        }
    )
    nested = desk.make({"data.parquet": samples.parquet(made)})
    for query, rows in {"words": [0], "one": [0], "TEXT": [1], "ntext": [], "five": [2], "5": []}.items():
        assert _found(desk, nested, query) == rows, query


@pytest.mark.parametrize("word", ["kiss", "skis", "w7", "über", "masks", "ß", "information"])
def test_capitals_are_folded_as_unicode_says(desk: Desk, word: str) -> None:
    """Words with few letters are looked for by their spellings, which must be all that there are."""
    texts = [word, word.upper(), word.title(), word.swapcase(), f"x{word}", f"{word}1", f"({word}), {word}"]
    texts += [word.replace("k", "\u212a"), word.replace("s", "\u017f"), word[:-1] + word[-1:].upper(), ""]
    whole = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
    hits = {at: len(whole.findall(text)) for at, text in enumerate(texts)}
    expected = sorted((at for at, count in hits.items() if count), key=lambda at: (-hits[at], at))
    folded = desk.make({"data.parquet": samples.parquet(pa.table({"n": range(len(texts)), "t": texts}))})
    assert _found(desk, folded, word) == expected


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("foxes", [5]),
        ("über", [4]),
        ("qui", []),
        ("turn 3", [3, 0, 1, 2, 4, 5, 6, 7]),
        ("user", list(range(8))),
        ("fox.*", [1, 0, 6]),
    ],
)
def test_words_are_whole_ones_and_never_patterns(desk: Desk, repo: str, query: str, rows: list[int]) -> None:
    assert _found(desk, repo, query) == rows


def test_the_answer_has_the_shape_of_rows(desk: Desk, repo: str) -> None:
    answer = desk.get(repo, "search", config="default", split="train", query="fox", offset=1, length=1)
    assert {name: answer[name] for name in ("num_rows_total", "num_rows_per_page", "partial")} == {
        "num_rows_total": 3,
        "num_rows_per_page": 100,
        "partial": False,
    }
    assert [item["row_idx"] for item in answer["rows"]] == [0]
    assert [feature["name"] for feature in answer["features"]] == ["n", "text", "chat"]


def test_questions_without_words_are_refused(desk: Desk, repo: str) -> None:
    answer = desk.ask(repo, "search", config="default", split="train", query=" ")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (422, "MissingRequiredParameter")
    answer = desk.ask(repo, "search", config="default", split="train", query="!?")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (422, "InvalidParameter")


def test_a_table_without_text_has_no_hits(desk: Desk) -> None:
    repo = desk.make({"train.parquet": samples.parquet(pa.table({"n": [1, 2]}))})
    assert desk.get(repo, "search", config="default", split="train", query="x")["rows"] == []


def test_other_formats_are_searched_too(desk: Desk) -> None:
    repo = desk.make({"train.csv": "n,text\n0,a fox\n1,nothing\n2,fox fox\n"})
    assert _found(desk, repo, "fox") == [2, 0]


def test_private_rows_stay_private(desk: Desk) -> None:
    repo = desk.make({"train.csv": "n,text\n0,secret\n"}, private=True)
    assert _found(desk, repo, "secret") == [0]
    for viewer in (desk.bob, desk.stranger):
        answer = desk.ask(repo, "search", by=viewer, config="default", split="train", query="secret")
        assert answer.status_code in (401, 404)
        assert "secret" not in answer.text


def test_a_large_split_gets_an_index_that_finds_the_same(
    desk: Desk, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = _found(desk, repo, "quick fox")
    monkeypatch.setattr(searching, "INDEX_FROM_ROWS", 5)
    assert _found(desk, repo, "quick fox") == read, "while the index is made, the split is read"
    made = desk.hub.sv.blocks.root
    deadline = time.monotonic() + 30
    while not list(made.glob("*/*.made/text-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(made.glob("*/*.made/text-*"))
    assert set(_found(desk, repo, "quick fox")) == set(read)
    assert _found(desk, repo, "foxes") == [5]
    assert _found(desk, repo, "fox", offset=1, length=1)
