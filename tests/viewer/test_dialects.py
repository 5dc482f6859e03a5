"""Features as older releases of ``datasets`` write them: lists as sequences, and no kind that they would stumble over."""

from __future__ import annotations

from typing import Any

import pytest

from openhood.domain.viewer import dialects
from viewer.conftest import Desk
from viewer.reading import listed, value

INT, TEXT = value("int32"), value("string")


def _sequence(feature: Any, **more: Any) -> dict[str, Any]:
    return {"feature": feature, **more, "_type": "Sequence"}


def _info(**features: Any) -> dict[str, Any]:
    return {
        "dataset_info": {"default": {"features": features}},
        "pending": [],
        "failed": [],
        "partial": False,
    }


@pytest.mark.parametrize(
    ("agent", "release"),
    [
        ("datasets/3.6.0; hf_hub/0.36.2; python/3.11.7", (3, 6)),
        ("unknown/None; datasets/2.21.0", (2, 21)),
        ("mydatasets/1.0; python/3.11", None),
        ("datasets/x", None),
        ("", None),
    ],
)
def test_who_asks(agent: str, release: Any) -> None:
    assert dialects.release_of(agent) == release


@pytest.mark.parametrize(
    ("feature", "old"),
    [
        (INT, INT),
        ({"a": INT, "b": listed(TEXT)}, {"a": INT, "b": _sequence(TEXT)}),
        (listed(listed(INT)), _sequence(_sequence(INT))),
        (listed({"a": listed(INT)}), [{"a": _sequence(INT)}]),
        (listed(listed({"a": INT})), [[{"a": INT}]]),
        ({"feature": INT, "length": 2, "_type": "List"}, _sequence(INT, length=2)),
        ({"feature": listed(INT), "_type": "LargeList"}, {"feature": _sequence(INT), "_type": "LargeList"}),
        ([{"a": INT}], [{"a": INT}]),
    ],
)
def test_lists_before_there_was_a_feature_for_them(feature: Any, old: Any) -> None:
    document = _info(x=feature)
    assert dialects.info_for(document, (3, 6)) == _info(x=old)
    assert dialects.info_for(document, (4, 0)) == document


@pytest.mark.parametrize(
    ("feature", "release"),
    [
        ({"_type": "Json"}, (4, 6)),
        (listed({"a": {"_type": "Pdf"}}), (3, 5)),
        ({"_type": "Video"}, (2, 21)),
        ({"feature": INT, "_type": "LargeList"}, (2, 21)),
        ({"feature": {"a": INT}, "length": 2, "_type": "List"}, (3, 6)),
    ],
)
def test_what_a_release_does_not_know(feature: Any, release: tuple[int, int]) -> None:
    told = dialects.info_for(_info(x=feature), release)
    assert told["dataset_info"] == {}
    assert [each["config"] for each in told["failed"]] == ["default"]
    assert dialects.info_for(_info(x=feature), (5, 2)) == _info(x=feature)


def test_each_is_told_its_own(desk: Desk) -> None:
    repo = desk.make({"train.jsonl": '{"a": [1]}\n'})
    desk.hub.run_jobs()
    desk.rows(repo)
    said = {}
    for agent in ("datasets/5.2.0", "datasets/3.6.0", "curl"):
        answer = desk.alice.get(f"/api/datasets/{repo}/viewer/info", headers={"User-Agent": agent})
        assert "User-Agent" in answer.headers["vary"]
        said[agent] = answer.json()["dataset_info"]["default"]["features"]["a"]
    assert said["datasets/5.2.0"] == said["curl"] == listed(value("int64"))
    assert said["datasets/3.6.0"] == _sequence(value("int64"))
