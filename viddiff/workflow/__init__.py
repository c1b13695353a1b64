"""What a call of the workflow makes. This room alone knows Snakemake."""
