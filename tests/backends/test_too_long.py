"""A request that does not fit into the model's context: the error says what to do."""

import json

import pytest

from tests.backends.collecting import ask_once, asking, server
from weaver_sdk.backends.http.errors import status_error
from weaver_sdk.errors import APIStatusError
from weaver_sdk.testing import Behaviour

LLAMA = {
    "code": 400,
    "message": "request (10244 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "type": "exceed_context_size_error",
}


@pytest.mark.parametrize(
    "error",
    [
        LLAMA,
        {"message": "This model's maximum context length is 4096 tokens. However, you requested 9000"},
        {"message": "Your input exceeds the context window of this model."},
        {"message": "too many tokens", "code": "context_length_exceeded"},
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
    ],
)
def test_an_error_about_the_context_says_what_to_do(error: dict[str, object]) -> None:
    found = status_error(400, {}, json.dumps({"error": error}).encode(), "http://h/v1/completions")
    assert str(error["message"]) in str(found)
    assert "shorten the question or its history" in str(found)
    assert "context_tokens=" in str(found)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "the name is too long"),
        (400, "temperature is too high"),
        (500, "the context window manager crashed"),
        (429, "context length quota used up"),
    ],
)
def test_other_errors_do_not(status: int, message: str) -> None:
    found = status_error(status, {}, json.dumps({"error": {"message": message}}).encode(), "http://h")
    assert "shorten" not in str(found)


async def test_the_hint_is_no_reason_to_leave_a_field_out() -> None:
    refusing = Behaviour(status=400, body=json.dumps({"error": LLAMA}))
    async with server(*[refusing] * 3) as asked:
        got = await ask_once(asked, asking(max_tokens=50))
    assert isinstance(got.error, APIStatusError)
    assert "shorten" in str(got.error)
    assert len(asked.completions) == 1
