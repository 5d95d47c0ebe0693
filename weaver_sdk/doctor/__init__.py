"""The doctor tests what a server supports: `diagnose` returns a `ServerReport`."""
