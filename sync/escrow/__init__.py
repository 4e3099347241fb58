"""Deposits with the national disaster-recovery node, and a node's restoration from them (docking contract 7)."""
