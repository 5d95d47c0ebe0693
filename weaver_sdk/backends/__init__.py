"""One completion, streamed, from one kind of server. Backends know no markup."""
