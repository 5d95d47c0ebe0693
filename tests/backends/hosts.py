"""A scripted server that stands in for a host on the network."""

from __future__ import annotations

import httpx2

from weaver_sdk.testing import ScriptedServer


class _Detour(httpx2.AsyncBaseTransport):
    """Sends what was meant for a host to a server on loopback, to the endpoint of the same name."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = httpx2.URL(server.base_url)
        self._transport = httpx2.AsyncHTTPTransport()
        self.asked: list[str] = []
        """The addresses that were meant."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(str(request.url))
        name = "chat/completions" if "/chat/" in request.url.path else request.url.path.rpartition("/")[2]
        request.url = self._server.copy_with(path=f"/v1/{name}")
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


class Detour:
    """A client for a host that is played by a server, and what it was asked for."""

    def __init__(self, server: ScriptedServer) -> None:
        self._transport = _Detour(server)
        self.client = httpx2.AsyncClient(transport=self._transport)

    @property
    def asked(self) -> list[str]:
        """The addresses, in order."""
        return self._transport.asked

    async def __aenter__(self) -> Detour:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
