"""Samplers: pure functions from noise and a denoiser to clean frames, a file for each. `base.py` says what one is."""
