"""The tree of results: its names, and the records that lie there."""
