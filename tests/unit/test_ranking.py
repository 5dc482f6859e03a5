"""Reading what a person typed, ranking what was found, cutting snippets, forgiving slips. Pure."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openhood.base.errors import BadRequest
from openhood.domain.discovery import ranking, spelling
from openhood.infra.db.finding_words import Phrase, fold, pattern


def words(text: str) -> list[tuple[str, ...]]:
    return [phrase.words for phrase in ranking.parse(text).phrases]


def test_words_phrases_and_excluded_ones_are_told_apart() -> None:
    asked = ranking.parse('Bert-base "of the Cat" -old -"very bad" tok')
    assert [phrase.words for phrase in asked.phrases] == [("bert", "base"), ("of", "the", "cat"), ("tok",)]
    assert [phrase.words for phrase in asked.excluded] == [("old",), ("very", "bad")]
    assert [phrase.is_prefix for phrase in asked.phrases] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "is_prefix"), [("tok", True), ("to", False), ("tok ", True), ('"tok"', False), ("tok-", False)]
)
def test_only_a_last_bare_word_of_three_letters_is_a_beginning(text: str, is_prefix: bool) -> None:
    assert [phrase.is_prefix for phrase in ranking.parse(text).phrases] == [is_prefix]


@pytest.mark.parametrize("text", ["", "   ", '"', '""', "-", "- -", "***", "AND(", "\0", "'; --", "_"])
def test_what_has_no_words_asks_for_nothing_or_for_words_alone(text: str) -> None:
    assert all(each.isalnum() for phrase in ranking.parse(text).phrases for each in phrase.words)


@pytest.mark.parametrize("text", ["a" * 257, " ".join("abcdefghijklmnopqrstuvwxyz0123456789")])
def test_what_is_longer_than_a_question_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="at most"):
        ranking.parse(text)


@given(st.text(max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        asked = ranking.parse(text)
    except BadRequest:
        return
    for phrase in (*asked.phrases, *asked.excluded):
        assert phrase.words
        assert all(re.fullmatch(r"[^\W_]+", word) for word in phrase.words)
        assert not set("'\"\\") & set(phrase.raw)
    ranking.rank(asked, "ns/" + text.lower(), tier=3)
    pieces = ranking.snippet(asked, text * 9)
    assert "".join(piece.text for piece in pieces) in text * 9
    assert "".join(piece.text for piece in ranking.mark(asked, text)) == text


@given(st.text(max_size=60))
def test_folding_keeps_positions(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold("Élan Ünï") == "elan uni"


ORDER = ("acme/bert", "acme/bert-large", "acme/tiny-bert", "bert/tiny", "acme/roberta", "acme/other")


def test_a_nearer_match_comes_first_among_the_equally_popular() -> None:
    asked = ranking.parse("bert")
    ranks = [ranking.rank(asked, name, tier=30) for name in ORDER]
    assert ranks == sorted(set(ranks))


def test_a_much_more_popular_one_overtakes_a_slightly_better_match() -> None:
    asked = ranking.parse("bert")
    assert ranking.rank(asked, "a/tiny-bert", tier=5) < ranking.rank(asked, "a/bert-large", tier=60)


def test_no_popularity_overtakes_a_name_with_all_words() -> None:
    asked = ranking.parse("bert tiny")
    all_in_name = ranking.rank(asked, "a/robertiny-tinybert", tier=63)
    some = ranking.rank(asked, "a/bert", tier=0)
    none = ranking.rank(asked, "a/other", tier=0)
    assert all_in_name < some
    assert ranking.rank(asked, "a/bert", tier=63) < none


def test_the_very_id_is_the_first_of_all() -> None:
    asked = ranking.parse("Acme/Bert")
    assert ranking.rank(asked, "acme/bert", tier=63) < ranking.rank(asked, "acme/bert-2", tier=0)


def test_relevancy_is_the_share_of_the_words_that_are_there() -> None:
    asked = ranking.parse("remove backgrounds from photos")
    assert ranking.relevancy(asked, "a/remove-it", "backgrounds go away") == 0.375
    assert ranking.relevancy(ranking.parse("!!"), "a/b", "c") == 0.0


def test_a_snippet_shows_and_marks_the_words_where_they_stand() -> None:
    text = "nothing here " * 50 + "the Élan model " + "and more " * 80
    pieces = ranking.snippet(ranking.parse("elan mod"), text)
    assert [piece.text for piece in pieces if piece.is_marked] == ["Élan", "model"]
    assert sum(len(piece.text) for piece in pieces) <= 240
    assert "".join(piece.text for piece in pieces) in text


@pytest.mark.parametrize(
    ("phrase", "text", "is_there"),
    [
        (Phrase(("bert",), False, ""), "a bert b", True),
        (Phrase(("bert",), False, ""), "roberta", False),
        (Phrase(("bert",), False, ""), "berts", False),
        (Phrase(("bert",), True, ""), "berts", True),
        (Phrase(("bert", "base"), False, ""), "bert-base", True),
        (Phrase(("bert", "base"), False, ""), "bert the base", False),
        (Phrase(("bert",), False, ""), "my_bert_x", True),
    ],
)
def test_a_pattern_finds_whole_words(phrase: Phrase, text: str, is_there: bool) -> None:
    assert bool(pattern(phrase).search(text)) is is_there


@pytest.mark.parametrize(
    ("one", "other", "steps"),
    [("bert", "bert", 0), ("bret", "bert", 1), ("ber", "bert", 1), ("lama", "llama", 1), ("cart", "bert", 2)],
)
def test_slips_are_counted(one: str, other: str, steps: int) -> None:
    assert spelling.distance(one, other, limit=3) == spelling.distance(other, one, limit=3) == steps
    assert spelling.distance(one, other, limit=0) == min(steps, 1)


@pytest.mark.parametrize(
    ("word", "name", "meant"),
    [
        ("bret", "acme/tiny-bert", "bert"),
        ("mistrall", "acme/mistral-7b", "mistral"),
        ("distillbert", "acme/distil_bert", "distilbert"),
        ("lunarlandr", "x/ppo-lunarlander-v2", "lunarlander"),
        ("abc", "acme/abd", None),
        ("bert", "acme/gguf", None),
    ],
)
def test_the_nearest_word_of_a_name_is_meant(word: str, name: str, meant: str | None) -> None:
    assert spelling.nearest(word, name) == meant


LETTERS = st.text("abcde", min_size=6, max_size=14)


@given(LETTERS, st.data())
def test_a_name_that_is_one_slip_away_has_one_of_the_parts(meant: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(meant) - 2))
    kind = data.draw(st.sampled_from(["swap", "drop", "add", "change"]))
    typed = {
        "swap": meant[:at] + meant[at + 1] + meant[at] + meant[at + 2 :],
        "drop": meant[:at] + meant[at + 1 :],
        "add": meant[:at] + "z" + meant[at:],
        "change": meant[:at] + "z" + meant[at + 1 :],
    }[kind]
    if len(typed) >= 6:
        assert any(part in meant for part in spelling.parts(typed))
