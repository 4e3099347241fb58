"""What the node is compared with: the servers that people would otherwise put in its place."""
