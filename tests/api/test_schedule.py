"""Periodic jobs: each waits once, however many processes start, and comes back whatever happens."""

from __future__ import annotations

from openhood.domain import jobs
from openhood.testing.hub import HubUnderTest


def _waiting(hub: HubUnderTest) -> dict[str, int]:
    with hub.sv.db.read() as tx:
        found = tx.exec_driver_sql("SELECT kind, count(*) FROM jobs GROUP BY kind").all()
    return {kind: count for kind, count in found if kind in jobs.SCHEDULE}


def test_every_periodic_job_waits_once(hub_on_both: HubUnderTest) -> None:
    once = dict.fromkeys(jobs.SCHEDULE, 1)
    assert _waiting(hub_on_both) == once

    jobs.start_schedule(hub_on_both.sv)  # another replica comes up
    assert _waiting(hub_on_both) == once
    assert hub_on_both.run_jobs() == 0

    hub_on_both.clock.advance(61)
    assert hub_on_both.run_jobs() == len(jobs.SCHEDULE)
    assert _waiting(hub_on_both) == once
    hub_on_both.clock.advance(61)
    assert hub_on_both.run_jobs() == 0
    hub_on_both.clock.advance(25 * 3600)
    assert hub_on_both.run_jobs() == len(jobs.SCHEDULE)
    assert _waiting(hub_on_both) == once


def test_a_run_by_hand_does_not_start_a_second_chain(hub: HubUnderTest) -> None:
    for _ in range(3):
        jobs.run(hub.sv, "sweep_uploads", {})

    assert _waiting(hub) == dict.fromkeys(jobs.SCHEDULE, 1)


def test_every_periodic_job_can_be_done() -> None:
    assert set(jobs.SCHEDULE) <= set(jobs.HANDLERS)
