"""A limit on each wait, and none on the whole."""

import asyncio

import pytest

from tests.backends.collecting import ask_once, server
from weaver_sdk.backends.http.connections import Connections
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.backends.http.transport import server_address
from weaver_sdk.errors import ConfigurationError, IdleTimeout
from weaver_sdk.testing import Behaviour, ScriptedServer


async def test_an_answer_may_take_longer_than_any_limit() -> None:
    async with ScriptedServer(lambda _: " word" * 30, pace=0.02) as asked:
        got = await ask_once(asked, timeouts=Timeouts(first=0.5, idle=0.5))
    assert (got.error, got.text) == (None, " word" * 30)


async def test_the_first_piece_has_a_limit_of_its_own() -> None:
    """The head comes at once, and then the request stands in the server's queue."""
    queued = ScriptedServer(lambda _: " word", pace=0.15)
    async with queued as asked:
        assert (await ask_once(asked, timeouts=Timeouts(first=5, idle=0.05))).error is None
        got = await ask_once(asked, timeouts=Timeouts(first=0.05, idle=5))
    assert isinstance(got.error, IdleTimeout)


async def test_time_between_two_reads_does_not_count() -> None:
    async with server(Behaviour(body="x" * 10)) as asked:
        pool = Connections(server_address(asked.base_url))
        head = b"POST /v1/completions HTTP/1.1\r\ncontent-length: 13\r\n\r\n"
        connection = await pool.request("POST", head + b'{"prompt": 1}')
        assert await connection.read(0.01) == b"x" * 10
        await asyncio.sleep(0.03)
        assert await connection.read(0.01) == b""
        connection.release()
        await pool.aclose()


async def test_a_timer_that_fires_while_nobody_waits_is_set_anew() -> None:
    async with ScriptedServer(lambda _: " word" * 4, pace=0.04) as asked:
        pool = Connections(server_address(asked.base_url))
        body = b'{"prompt": "Q", "stream": true}'
        head = b"POST /v1/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body)
        connection = await pool.request("POST", head + body)
        await connection.read(0.06)
        await asyncio.sleep(0.07)
        await connection.read(5)
        with pytest.raises(TimeoutError):
            while await connection.read(0.01):
                pass
        connection.release()
        await asked.until_idle()
        await pool.aclose()


@pytest.mark.parametrize("name", ["connect", "first", "idle"])
def test_a_limit_is_more_than_nothing(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Timeouts(**{name: 0})
