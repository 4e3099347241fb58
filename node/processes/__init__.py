"""The child processes of a node, each composed here from the parts of the registry, the resolver and sync."""
