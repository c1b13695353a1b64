"""The network: a U-Net whose attention is factorised over space and time."""
