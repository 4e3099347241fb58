"""The composition root: configuration, command line, processes and their supervision."""
