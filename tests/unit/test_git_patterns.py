"""Ignore and attribute rules decide as `git check-ignore` and `git check-attr` do."""

from __future__ import annotations

import random
import time

import pytest

from openhood.engines.gitattributes import DEFAULT_DATASET, DEFAULT_MODEL, Attributes, add_lfs_rule
from openhood.engines.gitignore import IgnoreRules
from unit.git_judge import Judge

PATHS = [
    "a", "b", "ab", "a.txt", "b.txt", ".txt", "a/b", "a/b/c", "a/c", "b/a", "b/a.txt", "c/a/b", "c/a/b/d", "c/d/a",
    "a b", "a/a b", "#a", "!a", "a\\b", "a*", "a?b", "[a]", "a[1]", "d/!a", "\xe9", "x/\xe9", "a-b", "a]b", "1", "a1/b2",
    "foo/bar/baz", "foo/bar", "foobar", "foo/x/bar", "foo/x/y/bar", "x/foo/bar", "A", "B.TXT", "c/1/d", "a.", "a..b",
]  # fmt: skip
PATTERNS = [
    "a", "/a", "a/", "/a/", "a/b", "a/b/", "*", "*.txt", "/*.txt", "*/b", "a/*", "**", "**/b", "a/**", "**/a/**", "a/**/b",
    "foo/**/bar", "foo**bar", "foo/**bar", "**foo/bar", "foo/***/bar", "***/bar", "?", "??", "a?b", "[ab]", "[!a]", "[^a]*",
    "[a-c]/*", "[[:alpha:]]", "[[:digit:]]*", "[[:bogus:]]", "[]a]", "[]-a]b", "a[]]b", "[a", "a\\*", "\\#a", "#a", "\\!a",
    "a\\", "a ", "a\\ b", "a b", "\xe9", "?\xe9", "[\xe9]", "*a*b*", "*.*", "[!.]*", "a[/]b", "[a-", "[--b]", "a\\\\b", "\\[a]",
    "[\\]a]*", "/", "//", "a//b", "/**", "/**/b", "**/*", "*/*", "b/**/", "a*/b?", "[[:upper:]]*", "[[:punct:]]a", "a/../b",
    "[a-c-e]", "[z-a]", "[[:space:]]", "a[[:space:]]b", "[!/]", "**/", "x/**/**/bar", "**/**/b",
]  # fmt: skip


def ignored_by_git(judge: Judge, text: str) -> set[str]:
    (judge.path / ".gitignore").write_text(text, "utf-8")
    asked = "\0".join(PATHS).encode()
    out = judge("check-ignore", "--no-index", "--stdin", "-z", stdin=asked, ok=False).decode()
    return set(out.split("\0")) - {""}


def ignored_by_us(text: str) -> set[str]:
    rules = IgnoreRules.parse(text)
    return {path for path in PATHS if rules.matches(path)}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return Judge(tmp_path_factory.mktemp("patterns"))


def test_each_ignore_pattern_alone(judge: Judge) -> None:
    for pattern in PATTERNS:
        assert ignored_by_us(pattern) == ignored_by_git(judge, pattern), pattern
        text = f"*\n!{pattern}\n"
        assert ignored_by_us(text) == ignored_by_git(judge, text), text


def test_random_ignore_files(judge: Judge) -> None:
    dice = random.Random(1)
    for _ in range(150):
        lines = [dice.choice(["", "", "!"]) + dice.choice(PATTERNS) for _ in range(dice.randint(1, 6))]
        text = dice.choice(["\n", "\n", "\r\n"]).join(lines) + "\n"
        assert ignored_by_us(text) == ignored_by_git(judge, text), text


def lfs_by_git(judge: Judge, text: str) -> set[str]:
    (judge.path / ".gitattributes").write_text(text, "utf-8")
    out = judge("check-attr", "-z", "--stdin", "filter", stdin="\0".join(PATHS).encode()).decode().split("\0")
    return {path for path, value in zip(out[0::3], out[2::3], strict=False) if value == "lfs"}


def lfs_by_us(text: str) -> set[str]:
    attributes = Attributes.parse(text)
    return {path for path in PATHS if attributes.is_lfs(path)}


def test_each_attribute_pattern_alone(judge: Judge) -> None:
    for pattern in PATTERNS:
        text = pattern + " filter=lfs diff=lfs merge=lfs -text\n"
        assert lfs_by_us(text) == lfs_by_git(judge, text), pattern


def test_random_attribute_files(judge: Judge) -> None:
    dice = random.Random(2)
    words = [
        "filter=lfs",
        "filter=lfs",
        "-filter",
        "!filter",
        "filter",
        "filter=other",
        "text",
        "binary",
        "big",
        "-text filter=lfs",
    ]
    for _ in range(150):
        lines = ["[attr]big filter=lfs -text"] if dice.random() < 0.5 else []
        lines += [f"{dice.choice(PATTERNS)} {dice.choice(words)}" for _ in range(dice.randint(1, 6))]
        text = dice.choice(["\n", "\n", "\r\n"]).join(lines) + "\n"
        assert lfs_by_us(text) == lfs_by_git(judge, text), text


@pytest.mark.parametrize(
    "text",
    [
        '"a b" filter=lfs\n',
        '"\\303\\251" filter=lfs\n',
        '"a\\\\*" filter=lfs\n',
        '"unclosed filter=lfs\n',
        "  *.txt   filter=lfs  \n",
        "# *.txt filter=lfs\n",
        "!a filter=lfs\n",
        "a filter=lfs -filter\n",
        "*.txt filter=lfs " + "x" * 2100 + "\n",
        "\ufeff*.txt filter=lfs\n",
    ],
)
def test_odd_attribute_lines(judge: Judge, text: str) -> None:
    assert lfs_by_us(text) == lfs_by_git(judge, text)


def test_added_rules_cover_exactly_one_path(judge: Judge) -> None:
    for path in [*PATHS, 'd/"q"', '"q"', "#x/y", "!x/y", "t\tb", "[attr]x"]:
        text = add_lfs_rule("*.md text", path)
        assert text.startswith("*.md text\n")
        assert {other for other in PATHS if Attributes.parse(text).is_lfs(other)} <= {path}
        assert Attributes.parse(text).is_lfs(path)
        assert path not in PATHS or lfs_by_git(judge, text) == {path}
        assert add_lfs_rule(text, path) == text
    assert (
        add_lfs_rule("", "dir/big file.xyz")
        == "dir/big[[:space:]]file.xyz filter=lfs diff=lfs merge=lfs -text\n"
    )


def test_default_rules() -> None:
    model, dataset = Attributes.parse(DEFAULT_MODEL), Attributes.parse(DEFAULT_DATASET)
    for path in (
        "model.safetensors",
        "sub/x.bin",
        "runs/events.out.tfevents.1",
        "saved_model/a/b",
        "x.tar.zst",
        "a.lfs.b",
    ):
        assert model.is_lfs(path)
        assert dataset.is_lfs(path)
    assert model.is_lfs("q.gguf")
    for path in ("a.png", "train/b.mp4", "c.lz4"):
        assert dataset.is_lfs(path)
        assert not model.is_lfs(path)
    for path in ("README.md", "config.json", "tokenizer.json", "saved_model", "bin", ".gitattributes"):
        assert not model.is_lfs(path)
        assert not dataset.is_lfs(path)


def test_hostile_patterns_do_not_stall() -> None:
    started = time.perf_counter()
    path = "a" * 900 + "/" + "a/" * 45 + "c"
    for pattern in (
        "*a" * 100 + "b",
        "**/a/" * 60 + "b",
        "[!b]*" * 100 + "b",
        "**/*a*a*a/" * 20 + "b",
        "?*" * 100 + "b/x",
    ):
        assert not IgnoreRules.parse(pattern).matches(path)
        assert not Attributes.parse(pattern + " filter=lfs").is_lfs(path)
    # Backtracking would take years, not a busy machine's minute.
    assert time.perf_counter() - started < 60
