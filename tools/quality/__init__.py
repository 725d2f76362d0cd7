"""The quality of the detectors: evaluated on simulated shopping with known abuse, next to baselines."""
