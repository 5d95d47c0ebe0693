"""The doctor asks a server what it can do, and says it: `diagnose` returns a `ServerReport`."""
