"""Notes of visits in memory: once each, bounded, none lost that fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openhood.infra.tallies import WINDOW_S, Tallies, Visit


def test_a_visit_is_noted_once_per_window() -> None:
    tallies = Tallies()
    for at_s in (0, 1, WINDOW_S - 1, WINDOW_S):
        tallies.note(7, 1, at_s=at_s)
    assert tallies.drain() == ([Visit(0, 7, 1), Visit(1, 7, 1)], 0)
    assert tallies.drain() == ([], 0)
    tallies.note(7, 1, at_s=WINDOW_S)
    assert tallies.drain() == ([], 0), "it was drained in this window already"
    tallies.note(7, 1, at_s=2 * WINDOW_S)
    assert tallies.drain() == ([Visit(2, 7, 1)], 0)


def test_a_flood_is_bounded_and_told_of() -> None:
    tallies = Tallies(max_visits=10)
    for visitor in range(25):
        tallies.note(1, visitor, at_s=0)
    visits, dropped = tallies.drain()
    assert (len(visits), dropped) == (10, 15)
    for visitor in range(30, 35):
        tallies.note(1, visitor, at_s=0)
    assert tallies.drain() == ([Visit(0, 1, visitor) for visitor in range(30, 35)], 0)


def test_what_is_put_back_comes_again_once() -> None:
    tallies = Tallies(max_visits=3)
    for visitor in range(3):
        tallies.note(1, visitor, at_s=0)
    visits, _ = tallies.drain()
    tallies.note(1, 9, at_s=0)
    tallies.note(1, 2, at_s=0)
    tallies.put_back(visits)
    again, dropped = tallies.drain()
    assert (len(again), dropped) == (3, 1)
    assert Visit(0, 1, 9) in again


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 5), st.booleans())))
def test_every_visit_is_given_out_once_and_none_is_lost(steps: list[tuple[int, int, int, bool]]) -> None:
    tallies = Tallies()
    given_out: list[Visit] = []
    noted: set[Visit] = set()
    window = 0
    for forward, row, visitor, drains in steps:
        window += forward
        tallies.note(row, visitor, at_s=window * WINDOW_S)
        noted.add(Visit(window, row, visitor))
        if drains:
            given_out += tallies.drain()[0]
    given_out += tallies.drain()[0]
    assert sorted(given_out) == sorted(noted)
