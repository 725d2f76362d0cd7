"""Benchmarks as ratios: ours against a limit measured alongside it, in the same run."""
