"""How requests reach one server: by our own HTTP client, by a user's, or through a user's `AsyncOpenAI`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import httpx2
from pydantic_core import to_json

from weaver_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import openai

_JSON = {"content-type": "application/json", "accept": "text/event-stream, application/json"}
_PLAIN = {"accept-encoding": "identity"}  # a compressor in between would hold chunks back


class Link(Protocol):
    """One server, as the backends see it. Answers are not read, and error statuses do not raise."""

    @property
    def base_url(self) -> str:
        """The address, without a user's name or password in it and without a slash at its end."""
        ...

    async def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] = {}
    ) -> httpx2.Response:
        """Send JSON to a path below the address, and return when the head of the answer has come.

        Raises:
            httpx2.TransportError: the request could not be sent, or no answer came.
        """
        ...

    async def get(self, path: str) -> httpx2.Response:
        """Ask for a path below the address, or for a whole address on the same server."""
        ...

    def hide(self, told: bytes) -> bytes:
        """Blot out the key, should the server have repeated it in what it told."""
        ...

    async def aclose(self) -> None:
        """Close what was opened here; what the user gave stays open."""
        ...


class HttpLink:
    """A server reached over an `httpx2.AsyncClient`.

    Args:
        base_url: where `/completions` is; that of the client where not given.
        api_key: sent as a bearer token, and shown nowhere.
        http_client: the user's own, which is never closed here.
        connect: seconds to wait for a connection.

    Raises:
        ConfigurationError: the address or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str | None,
        *,
        api_key: str | None = None,
        http_client: httpx2.AsyncClient | None = None,
        max_concurrency: int = 64,
        connect: float = 10.0,
    ) -> None:
        url = _address(base_url if base_url is not None else str(http_client.base_url if http_client else ""))
        self._url = str(url).rstrip("/")
        self._shown = str(url.copy_with(userinfo=b"", query=None)).rstrip("/")
        self._key = _checked(api_key)
        self._headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        self._own = None if http_client else _client(max_concurrency)
        self._client = http_client or self._own or _client(max_concurrency)
        self._timeout = httpx2.Timeout(None, connect=connect)  # what comes later has a watchdog

    def __repr__(self) -> str:
        return f"HttpLink({self._shown!r})"

    @property
    def base_url(self) -> str:
        return self._shown

    async def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] = {}
    ) -> httpx2.Response:
        if self._client.is_closed:
            raise ConfigurationError(f"the HTTP client for {self._shown} has been closed")
        sent = _JSON | _PLAIN | self._headers | dict(headers)
        request = self._client.build_request(
            "POST", self._url + path, content=to_json(body), headers=sent, timeout=self._timeout
        )
        return await self._client.send(request, stream=True)

    async def get(self, path: str) -> httpx2.Response:
        url = path if "://" in path else self._url + path
        request = self._client.build_request("GET", url, headers=self._headers, timeout=self._timeout)
        return await self._client.send(request, stream=True)

    def hide(self, told: bytes) -> bytes:
        return told.replace(self._key.encode(), b"[key]") if self._key else told

    async def aclose(self) -> None:
        if self._own is not None:
            await self._own.aclose()


class OpenAILink:
    """A server reached through a user's `openai.AsyncOpenAI`: its address, keys, headers and connections.

    The client builds and signs the request, and its HTTP client sends it. Its retries are switched off (there
    is one retry layer, ours), and the stream is read by ours: it does so many times faster.
    """

    def __init__(self, client: openai.AsyncOpenAI, *, connect: float = 10.0) -> None:
        self._client = client
        self._timeout = httpx2.Timeout(None, connect=connect)
        self._shown = str(client.base_url.copy_with(userinfo=b"", query=None)).rstrip("/")

    def __repr__(self) -> str:
        return f"OpenAILink({self._shown!r})"

    @property
    def base_url(self) -> str:
        return self._shown

    async def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] = {}
    ) -> httpx2.Response:
        import openai  # half a second, and only who has a client pays it; they have paid it already

        try:
            stream = await self._client.post(
                path,
                cast_to=object,
                body=dict(body),
                options={"headers": _PLAIN | dict(headers), "max_retries": 0, "timeout": self._timeout},
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
        except openai.APIStatusError as error:
            return error.response
        except openai.APIConnectionError as error:
            raise _cause(error) from error
        return stream.response

    async def get(self, path: str) -> httpx2.Response:
        import openai

        try:
            return await self._client.get(
                path, cast_to=httpx2.Response, options={"max_retries": 0, "timeout": self._timeout}
            )
        except openai.APIStatusError as error:
            return error.response
        except openai.APIConnectionError as error:
            raise _cause(error) from error

    def hide(self, told: bytes) -> bytes:
        return told.replace(self._client.api_key.encode(), b"[key]") if self._client.api_key else told

    async def aclose(self) -> None:
        """Nothing was opened here."""


def _cause(error: openai.APIConnectionError) -> httpx2.TransportError:
    cause = error.__cause__
    return cause if isinstance(cause, httpx2.TransportError) else httpx2.NetworkError(str(error))


def _client(max_concurrency: int) -> httpx2.AsyncClient:
    # How many requests run at once is limited above, in one place: a second limit could only be in the way.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=max_concurrency)
    return httpx2.AsyncClient(limits=limits)


def _address(base_url: str) -> httpx2.URL:
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError(f"base_url={base_url!r} is no address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(f"base_url={base_url!r}: use an address such as http://127.0.0.1:8000/v1")
    return url


def _checked(api_key: str | None) -> str:
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise ConfigurationError("api_key holds characters that no header can carry: was it copied whole?")
    return key
