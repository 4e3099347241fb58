"""The faces: thin adapters between HTTP and the one lookup, each with its own rules of form and status."""
