"""The node's data put aside, once nobody has it open."""
