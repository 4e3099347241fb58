"""Who may register what, the records, and the journal of every change: PostgreSQL and the REST API in front of it."""
