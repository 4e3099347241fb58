"""The outbox in PostgreSQL: one module per table, each with all the SQL of its table."""
