"""Tables of what lies in the tree of results."""
