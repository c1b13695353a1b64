"""Experiments on long-video diffusion."""
