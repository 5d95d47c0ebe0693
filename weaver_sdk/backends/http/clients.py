"""Transports over a client of the user's: an `httpx2.AsyncClient` or an `openai.AsyncOpenAI`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic_core import to_json

from weaver_sdk.backends.http.transport import (
    RawResponse,
    default_headers,
    display_url,
    join_url,
    redact_key,
    server_address,
)
from weaver_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import openai


class HttpxTransport:
    """A transport over an `httpx2.AsyncClient`.

    Args:
        owned: whether `aclose` closes the client.
        connect: connect timeout, in seconds.

    Raises:
        ConfigurationError: the address or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        client: httpx2.AsyncClient,
        *,
        owned: bool = False,
        connect: float = 10.0,
    ) -> None:
        self._url = server_address(base_url)
        self._key = api_key
        self._display_url = display_url(self._url)
        self._headers = default_headers(self._url, api_key)
        self._client = client
        self._owned = owned
        self._timeout = httpx2.Timeout(None, connect=connect)  # read timeouts are handled per read

    def __repr__(self) -> str:
        return f"HttpxTransport({self._display_url!r})"

    @property
    def base_url(self) -> str:
        """The address, without credentials."""
        return self._display_url

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> RawResponse:
        """POST JSON."""
        return await self._send("POST", path, {"content-type": "application/json", **headers}, to_json(body))

    async def get(self, path: str) -> RawResponse:
        """GET a path."""
        return await self._send("GET", path, {}, None)

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None
    ) -> RawResponse:
        if self._client.is_closed:
            raise ConfigurationError(f"the HTTP client for {self._display_url} has been closed")
        request = self._client.build_request(
            method,
            join_url(self._url, path),
            content=content,
            headers=self._headers | dict(headers),
            timeout=self._timeout,
        )
        return _HttpxResponse(await self._client.send(request, stream=True))

    def redact(self, body: bytes) -> bytes:
        """Redact the API key."""
        return redact_key(body, self._key)

    async def aclose(self) -> None:
        """Close the client if it is owned."""
        if self._owned:
            await self._client.aclose()


class OpenAITransport:
    """A transport over an `openai.AsyncOpenAI`: its address, keys, headers and connections.

    The client builds and sends the request. Its retries are off, as there is one retry layer. Its streams are
    parsed here, which takes a tenth of the time that the client spends on a chunk.

    Args:
        connect: connect timeout, in seconds.
    """

    def __init__(self, client: openai.AsyncOpenAI, *, connect: float = 10.0) -> None:
        self._client = client
        self._display_url = display_url(client.base_url)
        self._timeout = httpx2.Timeout(None, connect=connect)

    def __repr__(self) -> str:
        return f"OpenAITransport({self._display_url!r})"

    @property
    def base_url(self) -> str:
        """The address, without credentials."""
        return self._display_url

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> RawResponse:
        """POST JSON."""
        import openai  # takes half a second, but a user with a client has imported it already

        try:
            stream = await self._client.post(
                path,
                cast_to=object,
                body=dict(body),
                options={
                    "headers": {"accept-encoding": "identity", **headers},
                    "max_retries": 0,
                    "timeout": self._timeout,
                },
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
        except openai.APIStatusError as error:
            return _HttpxResponse(error.response)
        except openai.APIConnectionError as error:
            raise _cause(error) from error
        return _HttpxResponse(stream.response)

    async def get(self, path: str) -> RawResponse:
        """GET a path."""
        import openai

        try:
            response = await self._client.get(
                path, cast_to=httpx2.Response, options={"max_retries": 0, "timeout": self._timeout}
            )
        except openai.APIStatusError as error:
            return _HttpxResponse(error.response)
        except openai.APIConnectionError as error:
            raise _cause(error) from error
        return _HttpxResponse(response)

    def redact(self, body: bytes) -> bytes:
        """Redact the API key."""
        return redact_key(body, self._client.api_key)

    async def aclose(self) -> None:
        """Do nothing: the client is the user's."""


class _HttpxResponse:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        encoded = "content-encoding" in response.headers
        body = response.aiter_bytes() if encoded or response.is_stream_consumed else response.aiter_raw()
        self._body = aiter(body)

    async def read(self, seconds: float) -> bytes:
        async with asyncio.timeout(seconds):
            return await anext(self._body, b"")

    async def aclose(self) -> None:
        await self._response.aclose()


def _cause(error: openai.APIConnectionError) -> httpx2.RequestError:
    cause = error.__cause__
    return cause if isinstance(cause, httpx2.RequestError) else httpx2.NetworkError(str(error))
