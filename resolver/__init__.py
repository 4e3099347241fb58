"""The resolver: a local replica that follows the journal, one lookup over it, and the faces that speak it."""
