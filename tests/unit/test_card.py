"""Card metadata is read as JSON-like values, whatever people write, and bounded."""

from __future__ import annotations

import json
import time

import pytest

from openhood.base.errors import InvalidCard
from openhood.base.names import RepoType
from openhood.engines.formats import card
from openhood.engines.formats.card import parse_card, read_card, split_card
from openhood.engines.formats.card_rules import LICENSES, validate_card


def front(text: str) -> object:
    return parse_card(f"---\n{text}\n---\nbody\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: [yes, on, True, false]", {"a": ["yes", "on", True, False]}),
        ("a: 2024-01-02", {"a": "2024-01-02"}),
        ("a: 2024-01-02T03:04:05Z", {"a": "2024-01-02T03:04:05Z"}),
        ("a: 12:30:45", {"a": "12:30:45"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: [1, -2, 0x1F, 0o17, 007]", {"a": [1, -2, 31, 15, 7]}),
        ("a: [1.5, .5, 1e3, 1., -1e-3]", {"a": [1.5, 0.5, 1000.0, 1.0, -0.001]}),
        ("a: [.nan, .inf, -.Inf, 1e999]", {"a": [".nan", ".inf", "-.Inf", "1e999"]}),
        ("a: 123456789012345678901234567890", {"a": "123456789012345678901234567890"}),
        ("a: 9223372036854775807", {"a": 2**63 - 1}),
        ("a: 9223372036854775808", {"a": "9223372036854775808"}),
        ("a:\nb: ~\nc: null\nd: 'null'", {"a": None, "b": None, "c": None, "d": "null"}),
        ("1: a\ntrue: b\nnull: c\n1.5: d", {"1": "a", "true": "b", "null": "c", "1.5": "d"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: |\n  one\n  two", {"a": "one\ntwo\n"}),
        ("ignore_metadata_errors: true\nself: 1\na: 2", {"a": 2}),
        ("", {}),
        ("# only a comment", {}),
    ],
)
def test_values(text: str, value: object) -> None:
    assert front(text) == value
    json.dumps(front(text), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\na: 2", "'a' occurs twice (line 3)"),
        ("a: {b: 1, b: 2}", "occurs twice"),
        ("1: a\n'1': b", "occurs twice"),
        ("a: [1", "line"),
        ("a: b: c", "line 2"),
        ("- a", "must be a mapping"),
        ("text", "must be a mapping"),
        ("a: !!python/object/apply:os.system [id]", "unknown tag"),
        ("a: !!binary aGk=", "unknown tag"),
        ("a: !mine b", "unknown tag"),
        ("a: &x [*x]", "names no value"),
        ("a: *x", "names no value"),
        ("? [a]\n: b", "a key must be a plain value"),
        ("a: " + "[" * 60 + "]" * 60, "nested"),
        ("a: " + "[" * 100_000, "nest"),
        ("a: \x01", "not allowed"),
    ],
)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidCard) as caught:
        front(text)
    assert why in caught.value.message
    assert read_card(f"---\n{text}\n---\n".encode()) is None


def test_bombs_cost_nothing() -> None:
    levels = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    levels += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    long = "a: &a " + "x" * 400_000 + "\nb: [" + ",".join(["*a"] * 1000) + "]"
    started = time.monotonic()
    for bomb in ("\n".join(levels), long, "a: [" + "1," * 500_000 + "]"):
        with pytest.raises(InvalidCard):
            front(bomb)
    assert time.monotonic() - started < 5
    with pytest.raises(InvalidCard, match="larger than"):
        front("a: " + "x" * (card.MAX_CARD_BYTES + 1))


def test_splitting() -> None:
    assert split_card("---\na: 1\n---\nhi\n").body == "hi\n"
    assert split_card("\ufeff\n---\r\na: 1\r\n---\r\nhi").front == "a: 1\r\n"
    assert split_card("hi\n---\na: 1\n---\n").front is None
    assert split_card("---\na: 1\n").front is None
    assert split_card("----\na: 1\n----\n").front is None
    assert split_card("---\n---\n").front == ""
    assert parse_card("no card") is None
    assert read_card(b"---\na: \xff\n---\n") == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("text", "kind", "errors", "warnings"),
    [
        ("license: mit", RepoType.MODEL, [], []),
        ("license: MIT", RepoType.MODEL, [], []),
        ("license: [mit, apache-2.0]", RepoType.MODEL, [], []),
        ("license: 5", RepoType.MODEL, ['"license" must be a string'], []),
        ("license: other", RepoType.MODEL, [], ['"license_name"']),
        ("tags: [a]", RepoType.MODEL, [], ['"license" is missing']),
        ("license: mit\ntags: {a: b}", RepoType.MODEL, ['"tags" must be'], []),
        ("license: mit\nlanguage: EN", RepoType.MODEL, ['"language" must only contain lowercase'], []),
        ("license: mit\nlanguage: english", RepoType.MODEL, [], ['"language" must be an ISO']),
        ("license: mit\nlanguage: [en, zh-hant, code]", RepoType.MODEL, [], []),
        ("license: mit\npipeline_tag: what", RepoType.MODEL, [], ['"pipeline_tag" "what"']),
        ("license: mit\nbase_model: 'a b'", RepoType.MODEL, ['"base_model" with value "a b"'], []),
        ("license: mit\nmodel-index: {}", RepoType.MODEL, ['"model-index" must be an array'], []),
        ("license: mit\nmodel-index: [{results: []}]", RepoType.MODEL, ['"model-index[0].name"'], []),
        ("license: mit\ntask_categories: [nope]", RepoType.DATASET, [], ['task_categories "nope"']),
        ("license: mit\nconfigs: [{a: b}]", RepoType.DATASET, ['"configs[0].config_name"'], []),
        ("sdk: gradio", RepoType.SPACE, [], []),
        ("title: x", RepoType.SPACE, ['"sdk" is required'], []),
        ("sdk: flask\ncolorFrom: teal", RepoType.SPACE, ['"sdk" must be one of', '"colorFrom" must be'], []),
        ("sdk: static\nshort_description: " + "x" * 61, RepoType.SPACE, ['"short_description" length'], []),
        ("a: [", RepoType.MODEL, ["Invalid YAML"], []),
        ("sdk: nonsense", None, [], []),
    ],
)
def test_rules(text: str, kind: RepoType | None, errors: list[str], warnings: list[str]) -> None:
    report = validate_card(f"---\n{text}\n---\n", kind)
    assert len(report.errors) == len(errors), report
    assert len(report.warnings) == len(warnings), report
    for said, expected in zip((*report.errors, *report.warnings), (*errors, *warnings), strict=True):
        assert expected in said


def test_license_list() -> None:
    assert {"apache-2.0", "mit", "cc-by-4.0", "llama3.1", "other", "unknown"} <= LICENSES
    assert all(name == name.lower() for name in LICENSES)
