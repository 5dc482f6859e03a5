"""Who comes to the demonstration: downloads of the last weeks, more of some repositories than of others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from openhood.base.names import RepoId, RepoType
from openhood.demo.stage import Stage
from openhood.domain.discovery import counting_rows, downloads
from openhood.domain.repos import rows as repo_rows


def count(stage: Stage, per_day: Mapping[tuple[RepoType, str], float]) -> None:
    """Let people download each repository so many times a day, ever more often, with quiet weekends."""
    chance = np.random.default_rng(30)
    visitor = 0
    for (kind, name), usual in per_day.items():
        with stage.sv.db.read() as tx:
            repo = repo_rows.get_repo(tx, kind, RepoId.parse(name))
            if repo is None or counting_rows.list_days(tx, repo.id, since=0):
                continue  # Gone, or counted the last time.
        for days_ago in range(downloads.KEPT_DAYS - 1, -1, -1):
            stage.days_ago(days_ago)
            is_weekend = stage.clock.at.weekday() >= 5
            mean = usual * (1.4 - days_ago / downloads.KEPT_DAYS) * (0.35 if is_weekend else 1.0)
            for _ in range(int(chance.poisson(mean))):
                visitor += 1
                stage.sv.downloads.note(repo.id, visitor, at_s=stage.clock.at.timestamp())
        downloads.flush(stage.sv)
