"""The REST API: a table of routes, thin handlers, and the description generated from both."""
