"""From names to files: what the jobs of the workflow do."""
