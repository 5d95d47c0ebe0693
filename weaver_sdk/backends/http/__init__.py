"""HTTP to one server: transports, streamed responses, server-sent events."""
