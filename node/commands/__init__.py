"""The commands that talk to a node over HTTP: import, export, prefix, resolve, status."""
