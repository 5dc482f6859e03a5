"""What every suite shares: the services a test may ask for, started at the first test that does."""

from __future__ import annotations

pytest_plugins = ["openhood.testing.fixtures"]
