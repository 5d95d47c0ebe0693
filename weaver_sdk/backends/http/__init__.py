"""The one way to a server: a transport, a response read piece by piece, server-sent events."""
