"""``/diff``: rows between revisions of a split, whole files that are the same left alone."""

from __future__ import annotations

from typing import Any

from viewer import samples
from viewer.conftest import Desk


def _diff(desk: Desk, repo: str, base: str, revision: str, **more: Any) -> Any:
    params = {"config": "default", "split": "train", "base": base, "revision": revision, **more}
    return desk.get(repo, "diff", **params)


def test_a_commit_changed_added_and_removed_rows(desk: Desk) -> None:
    repo = desk.make({"train.csv": "id,word\n1,a\n2,b\n3,c\n"})
    before = desk.commit(repo, {"notes.md": "x"})
    after = desk.commit(repo, {"train.csv": "id,word\n1,a\n2,B\n4,d\n"})
    answer = _diff(desk, repo, before, after)
    assert answer["key"] == ["id"]
    assert answer["counts"] == {"added": 1, "removed": 1, "changed": 1, "unchanged": 1}
    assert [(row["kind"], row["base_row_idx"], row["row_idx"]) for row in answer["rows"]] == [
        ("changed", 1, 1),
        ("added", None, 2),
        ("removed", 2, None),
    ]
    changed = answer["rows"][0]
    assert (changed["base"], changed["row"]) == ({"id": 2, "word": "b"}, {"id": 2, "word": "B"})
    assert changed["changed"] == ["word"]
    backwards = _diff(desk, repo, after, before)
    assert backwards["counts"] == {"added": 1, "removed": 1, "changed": 1, "unchanged": 1}
    assert _diff(desk, repo, after, after)["rows"] == []
    assert _diff(desk, repo, before, after, key="none")["counts"] == {
        "added": 2,
        "removed": 2,
        "changed": 0,
        "unchanged": 1,
    }


def test_only_files_that_differ_are_read(desk: Desk) -> None:
    shards = {
        f"data/train-{number:05}-of-00003.parquet": samples.parquet(samples.table(20, start=20 * number))
        for number in range(3)
    }
    repo = desk.make(dict(list(shards.items())[:2]))
    before = desk.commit(repo, {"notes.md": "x"})
    after = desk.commit(repo, dict(list(shards.items())[2:]))
    answer = _diff(desk, repo, before, after, length=5)
    assert answer["counts"] == {"added": 20, "removed": 0, "changed": 0, "unchanged": 40}
    assert [row["row_idx"] for row in answer["rows"]] == [40, 41, 42, 43, 44]
    assert answer["rows"][0]["row"]["id"] == 40
    assert answer["num_rows_total"] == 20


def test_a_split_that_is_new_is_all_added(desk: Desk) -> None:
    repo = desk.make({"train.csv": "id\n1\n"})
    before = desk.commit(repo, {"notes.md": "x"})
    after = desk.commit(repo, {"test.csv": "id\n5\n6\n"})
    answer = _diff(desk, repo, before, after, split="test")
    assert answer["counts"] == {"added": 2, "removed": 0, "changed": 0, "unchanged": 0}


def test_mistakes_are_said(desk: Desk) -> None:
    repo = desk.make({"train.csv": "id,word\n1,a\n1,b\n"})
    params = {"config": "default", "split": "train"}
    assert desk.ask(repo, "diff", **params).headers["X-Error-Code"] == "MissingRequiredParameter"
    answer = desk.ask(repo, "diff", **params, base="main", key="id")
    assert answer.status_code == 200, "nothing differs, so nothing needs a key"
    desk.commit(repo, {"train.csv": "id,word\n1,a\n1,c\n"}, create_pr=True)
    answer = desk.ask(repo, "diff", **params, base="main", revision="refs/pr/1", key="id")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (422, "InvalidParameter")
    assert "is no key" in answer.json()["error"]
    assert _diff(desk, repo, "main", "refs/pr/1", key="none")["counts"]["added"] == 1
    assert desk.ask(repo, "diff", **params, base="no-such").status_code == 404
    assert (
        desk.ask(repo, "diff", **{**params, "split": "nope"}, base="main").headers["X-Error-Code"]
        == "SplitNotFoundError"
    )
