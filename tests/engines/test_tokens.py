"""Prefixes as tokens, on a real engine."""

from weaver_sdk import LlamaServer, ParallelReasoner, Sampling
from weaver_sdk.backends.base import CompletionRequest
from weaver_sdk.engines.llama.backend import LlamaBackend
from weaver_sdk.strategies.choose import StrategyChoice

GREEDY = Sampling(temperature=0.0)


class Watched:
    """Keeps the requests that go to an engine."""

    def __init__(self, engine: LlamaServer) -> None:
        self.backend = LlamaBackend(engine.url, model=engine.model_name, slots=engine.slots)
        self.requests: list[CompletionRequest] = []

    async def solve(self, problem: str, prefix: str, strategy: StrategyChoice = "native") -> str:
        attempt = self.backend._attempt

        def watched(request: CompletionRequest):  # type: ignore[no-untyped-def]
            self.requests.append(request)
            return attempt(request)

        self.backend._attempt = watched  # type: ignore[method-assign]
        reasoner = ParallelReasoner(
            backend=self.backend, strategy=strategy, sampling=GREEDY, prefix=prefix, warm_joins=True
        )
        async with reasoner:
            return (await reasoner.solve(problem)).text


async def test_the_embedded_engine_takes_back_the_tokens_that_it_gave(quick_engine: LlamaServer) -> None:
    text = await Watched(quick_engine).solve("Compute 47*86 + 93*12", "text")
    watched = Watched(quick_engine)
    assert await watched.solve("Compute 47*86 + 93*12", "tokens") == text
    known = [span for request in watched.requests for span in request.spans or () if span.ids]
    assert len(known) >= 4
    for span in known:
        assert await watched.backend.tokens(span.text) == span.ids  # this model's tokenizer is a bijection
    await watched.backend.aclose()
