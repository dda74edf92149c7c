"""What the henyey checkout and the past ticks say about a finding: computed, read-only and bounded in time."""
