"""One turn: the question is worked on in view, and what comes of it goes into the conversation."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from weaver_sdk.cli.cells import safe
from weaver_sdk.cli.chat.conversation import Conversation, Turn
from weaver_sdk.cli.chat.journal import Journal
from weaver_sdk.cli.chat.race import Race
from weaver_sdk.cli.chat.settings import Settings
from weaver_sdk.cli.lanes import Board
from weaver_sdk.cli.report import print_timing
from weaver_sdk.cli.scene import Scene, answer
from weaver_sdk.cli.screen import Screen
from weaver_sdk.cli.watch import Question, Watched, watch
from weaver_sdk.options import Mode
from weaver_sdk.reasoner import ParallelReasoner
from weaver_sdk.telemetry.timeline_file import recording


async def take_turn(
    text: str,
    *,
    reasoner: ParallelReasoner,
    settings: Settings,
    conversation: Conversation,
    journal: Journal,
    screen: Screen,
    remember: bool = True,
) -> None:
    """Work a question out, show it, and note it. Errors of the run are shown, not raised.

    Args:
        remember: whether the model sees the earlier turns.

    Raises:
        ConfigurationError: the trace or the journal cannot be written.
    """
    history = conversation.history(keep_reasoning=settings.keep_reasoning) if remember else []
    modes: list[Mode] = ["parallel", "sequential"] if settings.mode == "both" else [settings.mode]
    runs = [
        (
            Question(
                problem=text,
                mode=mode,
                sampling=settings.sampling,
                budget=settings.budget,
                history=history,
                routing_key=conversation.routing_key,
            ),
            Board(mode=mode),
        )
        for mode in modes
    ]
    boards = [board for _, board in runs]
    picture = Race(boards, screen) if len(runs) > 1 else Scene(boards[0], screen, settings.reasoning)
    conversation.ask(text)
    journal.question(text)
    with recording(settings.trace, append=True) as record:
        watched = await watch(reasoner, runs, picture, record)
    for ended in watched:
        if ended.error is not None:
            if ended.said and len(watched) == 1:
                screen.console.print(answer(ended.said))
            screen.console.print(Text(safe(str(ended.error)), style="red"), soft_wrap=True)
    # the parallel run comes first: where both have an answer, it is the one that counts
    best = next((one.result for one in watched if one.error is None and one.result is not None), None)
    if best is None or not best.text:
        return
    turn = Turn.of(best)
    conversation.add(turn)
    journal.turn(turn)
    _show(watched, screen.console)


def _show(watched: list[Watched], console: Console) -> None:
    stopped = any(one.stopped for one in watched)
    best = next(one for one in watched if one.error is None and one.result is not None)
    result, said = best.result, best.said
    assert result is not None
    console.print()
    if said:
        console.print(answer(said))
    if stopped:
        console.print(Text("stopped; /last shows all that was written, /retry asks again", style="yellow"))
    elif not said:
        console.print(Text("the run ended without an answer; /last shows what was written", style="yellow"))
    if len(watched) == 1:
        print_timing(result, console)
    console.print()
