"""Reporting to the national top-level node: from the journal to acknowledged batches."""
