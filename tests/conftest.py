"""What every suite shares: the services a test may ask for, started at the first test that does."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["openhood.testing.fixtures"]

# How long drawing and running take says something of the machine, not of the code.
settings.register_profile("hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub")
