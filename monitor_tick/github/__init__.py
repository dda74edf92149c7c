"""The gh program: one door, with a deadline on every call and its errors told apart."""
