"""The client side of the command line: everything here talks to a node over HTTP, and only over HTTP."""
