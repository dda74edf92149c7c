"""One module a check: `LABEL` and `judge`."""
