"""Load on a node over the network: what it answers, how fast, and how that compares with its peers."""
