"""Who speaks: challenges and proofs, sessions, logins, and what a user may do (handle wire 13 to 15, 17, 20)."""
