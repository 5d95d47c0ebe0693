"""The port that a server listens on, and its address."""

from __future__ import annotations

import errno
import socket

from weaver_sdk.errors import ConfigurationError, EngineStartFailed


def reserve_port(host: str, port: int) -> socket.socket:
    """Reserve a port, so that no other program gets it; a server can still listen on it.

    Args:
        port: 0 for any free port.

    Raises:
        EngineStartFailed: the port is in use.
        ConfigurationError: the address does not belong to this machine.
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
            raise EngineStartFailed(
                f"port {port} is in use: choose another, or 0 for any free one"
            ) from error
        if error.errno == errno.EACCES:
            raise EngineStartFailed(f"port {port} needs privileges: choose one from 1024 on") from error
        raise ConfigurationError(f"VLLMServer(host={host!r}): {error.strerror}") from error
    return reserved


def connect_host(host: str) -> str:
    """Return the host to connect to from this machine for a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def address(host: str, port: int) -> str:
    """Return a server's URL for clients on this machine."""
    name = connect_host(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether the host is reachable from this machine only."""
    return host in ("localhost", "::1") or host.startswith("127.")
