"""The way that the original's is measured against: what docs/speed.md recommends, by its comparison of quality."""

from __future__ import annotations

SAMPLER, RESPACING = "ddim", "10"
ORIGINAL_STEPS = 1000
