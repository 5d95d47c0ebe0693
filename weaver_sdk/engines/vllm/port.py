"""Where a server listens: a port that nobody else is given, and its address."""

from __future__ import annotations

import errno
import socket

from weaver_sdk.errors import ConfigurationError, EngineStartFailed


def reserve_port(host: str, port: int) -> socket.socket:
    """Take a port, so that nobody else is given it; a server can still listen on it.

    Args:
        port: 0 for any that is free.

    Raises:
        EngineStartFailed: it is taken.
        ConfigurationError: the address is not one of this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        reserved = socket.socket(family, kind)
    except OSError as error:
        raise ConfigurationError(f"VLLMServer(host={host!r}): {error}") from error
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(address)
    except OSError as error:
        reserved.close()
        if error.errno == errno.EADDRINUSE:
            raise EngineStartFailed(f"port {port} is taken: choose another, or 0 for any free one") from error
        if error.errno == errno.EACCES:
            raise EngineStartFailed(f"port {port} is not for everybody: choose one from 1024 on") from error
        raise ConfigurationError(f"VLLMServer(host={host!r}): {error.strerror}") from error
    return reserved


def reached_at(host: str) -> str:
    """Return the address under which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def address(host: str, port: int) -> str:
    """Return a server's address for this machine."""
    name = reached_at(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether nobody from elsewhere reaches it."""
    return host in ("localhost", "::1") or host.startswith("127.")
