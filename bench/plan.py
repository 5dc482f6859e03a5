"""How much is measured: the full sizes, or small ones to see that everything still runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """Sizes and counts of a run."""

    rounds: int = 5
    large_mib: int = 1024
    clone_files: int = 10_000
    push_files: int = 2_000
    commit_files: tuple[int, ...] = (1, 100, 10_000)
    tree_files: int = 100_000
    chunk_rows: int = 10_000_000
    xorb_mib: int = 64
    client_kinds: tuple[str, ...] = ("random", "bf16")
    load_s: int = 5
    dedup_mb: int = 200
    dedup_cases: tuple[str, ...] = ("random", "parquet", "safetensors", "gguf")

    comments: int = 1_000
    discussions: int = 10_000
    merge_files: int = 1_000

    repos: int = 1_000_000
    page_repos: int = 50_000
    page_files: int = 10_000
    asked: int = 40
    table_rows: int = 1_000_000
    text_rows: int = 200_000
    shape_rows: int = 20_000
    shape_files: int = 10_000
    shape_columns: int = 1_000
    kept: Path | None = None
    filled_postgres: str | None = None

    @property
    def large(self) -> str:
        """The size of the large file in words."""
        return "1 GiB" if self.large_mib == 1024 else f"{self.large_mib} MiB"


FULL = Plan()
QUICK = Plan(
    rounds=2,
    large_mib=64,
    clone_files=1_000,
    push_files=200,
    commit_files=(1, 100),
    tree_files=10_000,
    chunk_rows=100_000,
    xorb_mib=8,
    client_kinds=("bf16",),
    load_s=1,
    dedup_mb=20,
    dedup_cases=("random",),
    comments=100,
    discussions=200,
    merge_files=100,
    repos=20_000,
    page_repos=5_000,
    page_files=2_000,
    asked=8,
    table_rows=50_000,
    text_rows=10_000,
    shape_rows=1_000,
    shape_files=200,
    shape_columns=100,
)


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
