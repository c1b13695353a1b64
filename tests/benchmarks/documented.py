"""What the documentation recommends, against which the original's way is measured (docs/speed.md)."""

from __future__ import annotations

SAMPLER, RESPACING = "dpm", "10"
ORIGINAL_STEPS = 1000
