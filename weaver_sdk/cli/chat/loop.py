"""The loop of a conversation: read a line, take a turn or obey, until the user leaves."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from weaver_sdk.cli.boundary import INTERRUPTED
from weaver_sdk.cli.cells import one_line, safe
from weaver_sdk.cli.chat.commands import Leave, obey, parse
from weaver_sdk.cli.chat.conversation import Conversation
from weaver_sdk.cli.chat.journal import Journal, load, newest
from weaver_sdk.cli.chat.prompt import PipePrompt, Prompt, terminal_prompt
from weaver_sdk.cli.chat.settings import Settings
from weaver_sdk.cli.chat.turns import take_turn
from weaver_sdk.cli.consoles import is_screen, output_console
from weaver_sdk.cli.local import DIGITS, GENERAL_MODEL_IN_CHAT, refused
from weaver_sdk.cli.screen import Screen
from weaver_sdk.cli.server import ServerChoice, build_reasoner, choose_server
from weaver_sdk.errors import WeaverError
from weaver_sdk.models.nano_range import KNOWS
from weaver_sdk.reasoner import ParallelReasoner


async def converse(given: ServerChoice, settings: Settings, *, resume: bool, plain: bool) -> int:
    """Hold a conversation and return the exit code.

    Raises:
        WeaverError: the server cannot be used at all, or there is nothing to resume.
    """
    choice = choose_server(given)
    screen = Screen(output_console(plain), live=False if plain else None)
    file = newest() if resume else None
    room = _Room(
        choice=choice,
        settings=settings,
        conversation=load(file) if file else Conversation(),
        journal=Journal(file),
        screen=screen,
    )
    try:
        await room.open()
        room.greet()
        terminal = sys.stdin.isatty() and is_screen(screen.console)
        prompt = (
            terminal_prompt(room.status, colour=not screen.console.no_color) if terminal else PipePrompt()
        )
        return await room.run(prompt)
    finally:
        await room.close()


class _Room:
    """All that a conversation needs, in one place; commands see it as `Chat`."""

    def __init__(
        self,
        *,
        choice: ServerChoice,
        settings: Settings,
        conversation: Conversation,
        journal: Journal,
        screen: Screen,
    ) -> None:
        self.settings = settings
        self.conversation = conversation
        self.journal = journal
        self.screen = screen
        self._choice = choice
        self._reasoner: ParallelReasoner | None = None

    @property
    def model(self) -> str:
        """The model that answers, in words."""
        place = "the embedded engine" if self._choice.local else self._choice.base_url or ""
        name = self._choice.model
        if name is not None and self._choice.local:
            name = Path(name).name
        if name is None and self.conversation.turns:
            name = self.conversation.turns[-1].model  # what the server said about itself
        return f"{name} on {place}" if name else place

    async def open(self) -> None:
        """Reach the server, or start the engine."""
        if self._choice.local:
            self.screen.console.print(Text("starting the embedded engine…", style="dim"))
        self._reasoner = await self._opened(self._choice)

    async def close(self) -> None:
        """Let go of the server."""
        if self._reasoner is not None:
            await self._reasoner.aclose()

    async def use_model(self, name: str) -> None:
        """Go on with another model; the old one stays where the new one cannot be reached."""
        choice = replace(self._choice, model=name)
        reasoner = await self._opened(choice)
        await self.close()
        self._choice, self._reasoner = choice, reasoner

    async def ask(self, question: str) -> None:
        """Take a turn, unless the packaged model cannot answer."""
        if (refusal := refused(self._choice, question)) is not None:
            self.screen.console.print(
                Text(safe(f"{refusal}; {GENERAL_MODEL_IN_CHAT}"), style="yellow"), soft_wrap=True
            )
            return
        if self._reasoner is None:
            await self.open()
        assert self._reasoner is not None
        await take_turn(
            question,
            reasoner=self._reasoner,
            settings=self.settings,
            conversation=self.conversation,
            journal=self.journal,
            screen=self.screen,
            remember=not self._choice.single_turn,
        )

    async def run(self, prompt: Prompt) -> int:
        """Read and answer until the user leaves."""
        warned = False
        while True:
            try:
                line = await prompt.line()
            except EOFError:
                return 0
            except KeyboardInterrupt:
                if warned:
                    return INTERRUPTED
                warned = True
                self._say("Ctrl-C again leaves, and so does Ctrl-D")
                continue
            warned = False
            if not line:
                continue
            try:
                if (command := parse(line)) is None:
                    await self.ask(line)
                elif said := await obey(self, *command):
                    self._say(said)
            except Leave:
                return 0
            except WeaverError as error:
                self.screen.console.print(Text(safe(str(error)), style="red"), soft_wrap=True)

    def greet(self) -> None:
        """Say where we are."""
        self._say(f"weaver · {self.model} · /help lists the commands")
        if self._choice.chosen_by_us:
            self._say("no server was named, so the embedded engine answers; --base-url names one")
        if self._choice.single_turn:
            self._say(f"the packaged model takes each question by itself, and knows only {KNOWS}")
            self._say(GENERAL_MODEL_IN_CHAT)
            self._say(DIGITS)
        for turn in self.conversation.turns:
            self._say(f"› {one_line(turn.question)}\n  {one_line(turn.answer) or '(no answer)'}")
        if self.conversation.open_question is not None:
            self._say(f"› {one_line(self.conversation.open_question)}\n  not answered: /retry asks it again")

    def status(self) -> str:
        """What stands below the prompt."""
        parts = [self.settings.mode, self.model, f"budget: {self.settings.budget_text()}"]
        if self.settings.trace is not None:
            parts.append(f"trace: {self.settings.trace}")
        return one_line(" · ".join(parts))

    def _say(self, text: str) -> None:
        self.screen.print(Text(safe(text), style="dim"))

    async def _opened(self, choice: ServerChoice) -> ParallelReasoner:
        reasoner = build_reasoner(choice, self.settings.sampling, self.settings.budget)
        try:
            return await reasoner.__aenter__()
        except BaseException:
            await reasoner.aclose()
            raise
