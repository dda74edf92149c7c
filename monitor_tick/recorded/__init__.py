"""The record that every full tick leaves of its judgement, and what is answered from it."""
