"""The node's self-check: probes from outside its other processes, and the events that follow (docking contract 5.2)."""
