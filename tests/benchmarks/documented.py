"""The way that the original's is measured against (docs/speed.md), until a comparison of quality has chosen one."""

from __future__ import annotations

SAMPLER, RESPACING = "dpm", "10"
ORIGINAL_STEPS = 1000
