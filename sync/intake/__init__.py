"""This node as the collector of enterprises' own nodes (docking contract 9.12)."""
