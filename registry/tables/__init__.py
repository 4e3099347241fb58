"""One module per table: its SQL, and its rows as immutable values. No rules live here."""
