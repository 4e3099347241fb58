"""Files of records, read as a stream: each record becomes a row to register or a reject with its reason."""
