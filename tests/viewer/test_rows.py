"""``/first-rows`` and ``/rows`` over HTTP: of Parquet and of other formats, their headers, caches and permissions."""

from __future__ import annotations

import io
import random
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openhood.testing.hub import HubUnderTest
from viewer import samples
from viewer.conftest import Desk, open_desk

CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
- config_name: other
  data_files: other/*.parquet
---
"""


@pytest.fixture(scope="module")
def two(desk: Desk) -> str:
    """A dataset of 500 rows in two files, and another config."""
    return desk.make(
        {
            "README.md": CARD,
            "data/train-00000-of-00002.parquet": samples.parquet(samples.table(250), group=100),
            "data/train-00001-of-00002.parquet": samples.parquet(samples.table(250, start=250), group=100),
            "other/x.parquet": samples.parquet(samples.table(5)),
        }
    )


def test_first_rows(desk: Desk, two: str) -> None:
    answer = desk.ask(two, "first-rows", config="default", split="train")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert list(body) == ["dataset", "config", "split", "features", "rows", "truncated"]
    assert [body[name] for name in ("dataset", "config", "split")] == [two, "default", "train"]
    assert [each["row_idx"] for each in body["rows"]] == list(range(100))
    assert body["truncated"] is True
    assert body["features"][0] == {
        "feature_idx": 0,
        "name": "id",
        "type": {"dtype": "int64", "_type": "Value"},
    }
    row = body["rows"][7]["row"]
    assert row == {**samples.table(8).to_pylist()[7]}
    assert answer.headers["cache-control"] == "public, max-age=120"
    assert len(answer.headers["x-revision"]) == 40
    other = desk.first_rows(two, config="other")
    assert len(other["rows"]) == 5
    assert other["truncated"] is False


def test_pages(desk: Desk, two: str) -> None:
    whole = samples.table(500).to_pylist()
    page = desk.rows(two, offset=240, length=20)
    assert list(page) == ["features", "rows", "num_rows_total", "num_rows_per_page", "partial"]
    assert [page[name] for name in ("num_rows_total", "num_rows_per_page", "partial")] == [500, 100, False]
    assert [each["row_idx"] for each in page["rows"]] == list(range(240, 260))
    assert [each["row"]["id"] for each in page["rows"]] == [row["id"] for row in whole[240:260]]
    assert page["rows"][0]["row"]["tags"] == whole[240]["tags"]
    assert page["rows"][0]["truncated_cells"] == []
    assert len(desk.rows(two)["rows"]) == 100
    assert desk.rows(two, offset=490)["rows"][-1]["row_idx"] == 499
    assert desk.rows(two, offset=500)["rows"] == []
    assert desk.rows(two, offset=10**15)["num_rows_total"] == 500
    assert desk.rows(two, length=0)["rows"] == []
    assert len(desk.rows(two, length=0)["features"]) == 7


def test_some_columns(desk: Desk, two: str) -> None:
    page = desk.get(two, "rows", config="default", split="train", columns=["text", "id"], length=2)
    assert [each["name"] for each in page["features"]] == ["text", "id"]
    assert list(page["rows"][1]["row"]) == ["text", "id"]
    refused = desk.ask(two, "rows", config="default", split="train", columns="nope")
    assert refused.status_code == 422
    assert refused.headers["x-error-code"] == "InvalidParameter"


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"config": "default"}, 422, "MissingRequiredParameter"),
        ({"split": "train"}, 422, "MissingRequiredParameter"),
        ({"config": "default", "split": "train", "offset": -1}, 422, "InvalidParameter"),
        ({"config": "default", "split": "train", "length": 101}, 422, "InvalidParameter"),
        ({"config": "default", "split": "train", "length": "x"}, 422, "InvalidParameter"),
        ({"config": "nope", "split": "train"}, 404, "ConfigNotFoundError"),
        ({"config": "default", "split": "nope"}, 404, "SplitNotFoundError"),
    ],
)
def test_refusals(desk: Desk, two: str, params: dict[str, object], status: int, code: str) -> None:
    answer = desk.ask(two, "rows", **params)
    assert (answer.status_code, answer.headers["x-error-code"]) == (status, code)
    assert answer.json()["error"]


def test_an_answer_that_is_known_is_not_sent_again(desk: Desk, two: str) -> None:
    params = {"config": "default", "split": "train", "offset": 100}
    one = desk.ask(two, "rows", **params)
    tag = one.headers["etag"]
    again = desk.alice.get(f"/api/datasets/{two}/viewer/rows", params=params, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    other = desk.alice.get(
        f"/api/datasets/{two}/viewer/rows", params={**params, "offset": 0}, headers={"If-None-Match": tag}
    )
    assert other.status_code == 200


def test_the_next_page_is_read_ahead(hub: HubUnderTest, desk: Desk) -> None:
    repo = desk.make({"train.parquet": samples.parquet(samples.table(1000), group=100)})
    before = len(hub.sv.pages._entries)
    desk.rows(repo, offset=0)
    desk.rows(repo, offset=100)
    deadline = time.monotonic() + 10
    while len(hub.sv.pages._entries) < before + 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(hub.sv.pages._entries) == before + 3
    assert desk.rows(repo, offset=200)["rows"][0]["row"]["id"] == 200


def test_a_commit_changes_the_rows_and_the_old_ones_stay(desk: Desk) -> None:
    repo = desk.make({"train.parquet": samples.parquet(samples.table(3))})
    assert desk.rows(repo)["num_rows_total"] == 3
    old = desk.ask(repo, "rows", config="default", split="train").headers["x-revision"]
    new = desk.commit(repo, {"train.parquet": samples.parquet(samples.table(4))})
    answer = desk.ask(repo, "rows", config="default", split="train")
    assert answer.json()["num_rows_total"] == 4
    assert answer.headers["x-revision"] == new
    assert desk.rows(repo, revision=old)["num_rows_total"] == 3


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("train.csv", samples.csv),
        ("train.jsonl", samples.jsonl),
        ("train.txt", lambda made: "\n".join(made.column("text").to_pylist()).encode()),
    ],
)
def test_formats_that_are_no_parquet(desk: Desk, name: str, make: object) -> None:
    made = samples.table(300)
    repo = desk.make({name: make(made)})  # type: ignore[operator]  # a function of a table
    first = desk.first_rows(repo)
    assert len(first["rows"]) == 100
    assert first["rows"][7]["row"]["text"] == made.column("text")[7].as_py()
    assert first["truncated"] is True
    page = desk.rows(repo, offset=250, length=10)
    assert [each["row_idx"] for each in page["rows"]] == list(range(250, 260))
    assert page["rows"][0]["row"]["text"] == made.column("text")[250].as_py()
    assert page["num_rows_total"] == 300
    assert [each["name"] for each in page["features"]] == [each["name"] for each in first["features"]]


def test_who_may_not_read_learns_nothing(desk: Desk) -> None:
    files = {"train.parquet": samples.parquet(samples.table(3))}
    private = desk.make(files, private=True)
    assert desk.rows(private)["num_rows_total"] == 3
    for by, status, code in (
        (desk.stranger, 401, "ExternalUnauthenticatedError"),
        (desk.bob, 404, "ExternalAuthenticatedError"),
    ):
        for endpoint in ("rows", "first-rows"):
            answers = [
                desk.ask(repo, endpoint, by=by, config="default", split="train")
                for repo in (private, "alice/nothing")
            ]
            assert {(each.status_code, each.headers["x-error-code"]) for each in answers} == {(status, code)}
            assert answers[0].json() == answers[1].json()
    mine = desk.ask(private, "rows", config="default", split="train")
    assert mine.headers["cache-control"] == "private, max-age=120"


def test_a_gate_keeps_rows_too(desk: Desk) -> None:
    repo = desk.make({"train.parquet": samples.parquet(samples.table(3))}, gated="auto")
    assert desk.ask(repo, "rows", by=desk.stranger, config="default", split="train").status_code == 401
    assert desk.ask(repo, "rows", by=desk.bob, config="default", split="train").status_code == 404
    assert desk.rows(repo)["num_rows_total"] == 3


def test_large_files_in_the_store(desk: Desk) -> None:
    made = samples.table(40_000)
    repo = desk.make({"train.parquet": samples.parquet(made, group=20_000, data_page_size=16_000)}, lfs=True)
    page = desk.rows(repo, offset=33_333, length=3)
    assert [each["row"]["id"] for each in page["rows"]] == [33_333, 33_334, 33_335]


def large_columns() -> pa.Table:
    """Two columns of more than a mebibyte per row group: a dictionary is made of the first, and given up."""
    chance = random.Random(5)
    few = [f"often {n}" for n in range(50)]
    texts = [chance.choice(few) if n % 10_000 < 3_000 else chance.randbytes(150).hex() for n in range(20_000)]
    return pa.table(
        {
            "id": range(20_000),
            "text": [None if n % 41 == 7 else text for n, text in enumerate(texts)],
            "parts": [
                [text[at : at + 40] for at in range(0, 40 * (n % 7), 40)] for n, text in enumerate(texts)
            ],
            "word": [few[n % 50] for n in range(20_000)],
        }
    )


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_of_large_columns_are_found_by_their_index(desk: Desk, version: str) -> None:
    made = large_columns()
    data = samples.parquet(
        made,
        group=10_000,
        data_page_size=20_000,
        data_page_version=version,
        dictionary_pagesize_limit=50_000,
    )
    whole = made.to_pylist()
    # An index that makes no sense is no reason to refuse data that do.
    ends = pq.ParquetFile(io.BytesIO(data)).metadata.serialized_size + 8
    last = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(1).column(4 - 1)
    first = (last.dictionary_page_offset or last.data_page_offset) + last.total_compressed_size
    broken = data[:first] + b"\xff" * (len(data) - ends - first) + data[-ends:]
    for name, content in (("sound", data), ("broken", broken)):
        repo = desk.make({f"{name}.parquet": content}, lfs=True)
        for offset in (0, 2_950, 3_001, 6_543, 9_950, 10_000, 12_960, 19_900):
            page = desk.rows(repo, offset=offset)
            assert [each["row"] for each in page["rows"]] == whole[offset : offset + 100]
        some = desk.get(repo, "rows", config="default", split="train", offset=9_990, columns=["word", "text"])
        assert [each["row"] for each in some["rows"]] == [
            {name: row[name] for name in ("word", "text")} for row in whole[9_990:10_090]
        ]


def test_pages_of_structs_with_small_and_large_parts(desk: Desk) -> None:
    chance = random.Random(6)
    turns = [
        [{"role": "user", "content": chance.randbytes(60).hex()} for _turn in range(number % 4)]
        for number in range(20_000)
    ]
    data = samples.parquet(pa.table({"turns": turns}), group=20_000, index=True, data_page_size=20_000)
    repo = desk.make({"train.parquet": data}, lfs=True)
    for offset in (0, 7_777, 19_980):
        page = desk.rows(repo, offset=offset, length=20)
        assert [each["row"]["turns"] for each in page["rows"]] == turns[offset : offset + 20]


def test_first_rows_of_a_thousand_columns(desk: Desk) -> None:
    made = pa.table({f"c{at}": pa.array([at, None, -at], pa.int32()) for at in range(1000)})
    repo = desk.make({"train.parquet": samples.parquet(made)})
    for answer in (desk.first_rows(repo), desk.rows(repo)):
        assert [each["name"] for each in answer["features"]] == made.column_names
        assert [each["row"] for each in answer["rows"]] == made.to_pylist()


def test_features_of_the_card(desk: Desk) -> None:
    card = """---
dataset_info:
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': 'no'
          '1': 'yes'
---
"""
    made = pa.table({"label": pa.array([0, 1])})
    repo = desk.make({"README.md": card, "train.parquet": samples.parquet(made)})
    for answer in (desk.rows(repo), desk.first_rows(repo)):
        assert answer["features"][0]["type"] == {"names": ["no", "yes"], "_type": "ClassLabel"}
        assert [each["row"]["label"] for each in answer["rows"]] == [0, 1]


def test_the_host_of_the_original(desk: Desk, two: str) -> None:
    client = desk.hub.client(desk.token, base_url="http://datasets-server.hub.test")
    answer = client.get("/rows", params={"dataset": two, "config": "other", "split": "train", "length": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"][0]["row"]["id"] == 0


def test_far_away_files_are_read_in_parts(s3_url: str) -> None:
    with HubUnderTest(objects_url=s3_url) as hub:
        desk = open_desk(hub)
        made = pa.table({"id": range(300_000), "text": [f"{n:090}" for n in range(300_000)]})
        brought = []
        for index in (True, False):
            data = samples.parquet(
                made,
                group=300_000,
                index=index,
                compression="none",
                use_dictionary=False,
                data_page_size=50_000,
            )
            repo = desk.make({"train.parquet": data}, lfs=True)
            assert desk.first_rows(repo)["rows"][7]["row"] == {"id": 7, "text": f"{7:090}"}
            brought.append(held_bytes(hub))
            page = desk.rows(repo, offset=222_222, length=50)
            assert [each["row"]["id"] for each in page["rows"]] == list(range(222_222, 222_272))
            brought.append(held_bytes(hub))
        first_indexed, page_indexed, first_plain, page_plain = brought
        assert first_indexed < 4_000_000
        assert page_indexed - first_indexed < 2_000_000
        assert first_plain - page_indexed < 4_000_000
        # Without an index the whole row group has to be here, once.
        assert page_plain - first_plain > 20_000_000
        assert desk.rows(repo, offset=111_111, length=1)["rows"][0]["row"]["id"] == 111_111
        assert held_bytes(hub) == page_plain


def held_bytes(hub: HubUnderTest) -> int:
    """What the parts of far-away files take on this machine's disk."""
    return sum(path.stat().st_blocks * 512 for path in hub.sv.blocks.root.rglob("*") if path.is_file())
