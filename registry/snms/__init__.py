"""The SNMS-compatible API: shapes, order of checks and messages that existing clients know, over the one service."""
