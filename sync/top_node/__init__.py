"""A simulator of the national top-level node: the collector's side of idn-report/1, with faults on demand."""
