"""A commit made into a kept binary, beside the node and outside every tick."""
