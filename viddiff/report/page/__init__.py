"""The page of a grid: one folder with all that its report shows, to be opened in a browser without a network."""
