"""What the collector asks of the reporter (docking contract 9.10): polled, done once, acknowledged."""
