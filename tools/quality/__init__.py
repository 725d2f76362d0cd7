"""How good the detectors are: simulated shopping with known abuse, judged beside rivals."""
