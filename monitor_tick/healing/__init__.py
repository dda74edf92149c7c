"""What may be done to the node, and whether its preconditions hold. Pure: the doing is in `effects`."""
