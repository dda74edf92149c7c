"""GitHub as the real gh sees it, behind a unix socket: repositories, issues, projects, workflow runs, and its failures.

`model` keeps, `graphql` + `*_views` and `rest` answer, `faults` break, `server` listens, `fixture` hands it to a test.
"""
