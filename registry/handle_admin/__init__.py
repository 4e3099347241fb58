"""Administration by Handle clients: what their administrators may do, done through the registry's service layer."""
