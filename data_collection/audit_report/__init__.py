"""The audit as a page: tables, image statistics and figures."""
