"""What every suite shares: the services a test may ask for, started at the first test that does."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

pytest_plugins = ["openhood.testing.fixtures"]

# How long drawing and running take says something of the machine, not of the code.
settings.register_profile("hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub")


def pytest_collection_finish() -> None:
    """Leave what collecting made out of garbage collection: to walk all of it again and again is a seventh of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
