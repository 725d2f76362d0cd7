"""Benchmarks as ratios: ours against a limit measured beside it, in the same run."""
