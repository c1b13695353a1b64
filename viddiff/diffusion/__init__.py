"""The diffusion process: noise schedules, denoisers, samplers, losses."""
