"""Side-by-side benchmarks: the hub next to peers and physical limits, in turn in one run.

`python -m bench` runs them, one file per subject; what was found is in ``docs/benchmarks.md``.
"""
