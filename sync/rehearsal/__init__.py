"""A docking rehearsal: the contract idn-report/1, clause by clause, against any collector."""
