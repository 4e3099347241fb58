"""The ways to the national node, one module each."""
