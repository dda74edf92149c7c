"""From a finding to exactly one issue: keys and owners, the outbox, the search, the body, the trackers."""
