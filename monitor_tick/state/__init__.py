"""What ticks leave on disk for the next one, and the transactions that change it."""
