"""One look at the node of a running session: observe, judge, act."""
