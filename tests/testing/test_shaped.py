"""Runs of a set shape."""

from collections.abc import AsyncIterator

from weaver_sdk import Fork, ParallelReasoner, Segment
from weaver_sdk.backends.base import Chunk, CompletionRequest
from weaver_sdk.testing import ScriptedBackend, Shape, ShapedBackend

SHAPE = Shape(opening=10, threads=(5, 20, 8), answer=7)


class Endless(ScriptedBackend):
    """Writes on until its limit."""

    def __init__(self) -> None:
        super().__init__(lambda request: "on " * 200, prefix_cache=True)

    def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        assert request.prefill_only or request.sampling.extra["ignore_eos"]
        return super().stream(request)


async def test_a_run_has_the_tokens_of_its_shape() -> None:
    backend = Endless()
    async with ParallelReasoner(backend=ShapedBackend(backend, SHAPE), strategy="native") as reasoner:
        result = await reasoner.solve("Q")
    opening, fork, answer = result.trace
    assert isinstance(opening, Segment)
    assert isinstance(fork, Fork)
    assert isinstance(answer, Segment)
    assert (opening.tokens, answer.tokens) == (10, 7)
    assert [thread.tokens for thread in fork.threads] == [5, 20, 8]
    assert result.finish == "stop"
    assert result.repairs == []


async def test_in_sequential_mode_it_is_as_long() -> None:
    async with ParallelReasoner(backend=ShapedBackend(Endless(), SHAPE), strategy="native") as reasoner:
        result = await reasoner.solve("Q", mode="sequential")
    assert result.telemetry.total_tokens == SHAPE.total == 50
    assert result.telemetry.forks == 0
