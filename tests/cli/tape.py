"""Event sequences written down by hand: the shortest way to a board, a picture, or a trace file."""

from dataclasses import dataclass, field

from weaver_sdk.cli.lanes import Board
from weaver_sdk.events import (
    Event,
    ForkOpened,
    Joined,
    Repaired,
    RequestFinished,
    RequestStarted,
    Retried,
    RunFinished,
    RunStarted,
    SegmentDelta,
    ThreadDelta,
    ThreadFinished,
    ThreadStarted,
    dump_event,
)
from weaver_sdk.markup.dialect import THREADWEAVER
from weaver_sdk.options import Mode
from weaver_sdk.result import Finish, Outcome, Phase, Repair, RepairKind, Result, Segment, Telemetry
from weaver_sdk.strategies.tags import TagWatch, plain_rules

RUN = "run"


@dataclass
class Tape:
    """Records events; times are given, so that nothing depends on a clock."""

    events: list[Event] = field(default_factory=list)
    at: float = 0.0
    markup: TagWatch = field(default_factory=lambda: TagWatch(THREADWEAVER, plain_rules()))
    """Reads what the main line says."""

    def start(self, problem: str = "Compute it", mode: Mode = "parallel") -> "Tape":
        return self._add(RunStarted(run_id=RUN, at=self.at, problem=problem, model="toy", mode=mode))

    def says(self, text: str, phase: Phase | None = None, *, kept: bool = True, after: float = 0.1) -> "Tape":
        """Text of the main line; where its phase is not given, as its markup tells."""
        self.at += after
        for told, piece in self.markup.feed(text) if phase is None else [(phase, text)]:
            self._add(SegmentDelta(run_id=RUN, at=self.at, text=piece, phase=told, kept=kept))
        return self

    def reasons(self, text: str, thread: int | None = None) -> "Tape":
        """Reasoning in a field of its own."""
        if thread is None:
            delta = SegmentDelta(run_id=RUN, at=self.at, text="", phase="reasoning", reasoning=text)
            return self._add(delta)
        return self._add(ThreadDelta(run_id=RUN, at=self.at, fork=1, thread=thread, text="", reasoning=text))

    def fork(self, *outlines: str, fork: int = 1, parent: tuple[int, int] | None = None) -> "Tape":
        labels = tuple(str(n) for n in range(1, len(outlines) + 1))
        self._add(
            ForkOpened(run_id=RUN, at=self.at, fork=fork, outlines=outlines, labels=labels, parent=parent)
        )
        return self

    def send(self, *threads: int, fork: int = 1) -> "Tape":
        for thread in threads:
            self._add(ThreadStarted(run_id=RUN, at=self.at, fork=fork, thread=thread))
        return self

    def asks(self, request: int, thread: int | None = None, fork: int = 1) -> "Tape":
        where = (None, None) if thread is None else (fork, thread)
        sent = RequestStarted(
            run_id=RUN,
            at=self.at,
            request=request,
            model="main",
            phase="reasoning",
            fork=where[0],
            thread=where[1],
        )
        return self._add(sent)

    def hears(self, request: int, tokens: int = 1) -> "Tape":
        """A completion has come to its end."""
        return self._add(
            RequestFinished(run_id=RUN, at=self.at, request=request, outcome="done", tokens=tokens)
        )

    def writes(
        self,
        thread: int,
        text: str,
        phase: Phase = "reasoning",
        *,
        kept: bool = True,
        after: float = 0.1,
        fork: int = 1,
    ) -> "Tape":
        self.at += after
        delta = ThreadDelta(
            run_id=RUN, at=self.at, fork=fork, thread=thread, text=text, phase=phase, kept=kept
        )
        return self._add(delta)

    def ends(
        self,
        thread: int,
        outcome: Outcome = "done",
        tokens: int = 1,
        error: str | None = None,
        after: float = 0.0,
        fork: int = 1,
    ) -> "Tape":
        self.at += after
        return self._add(
            ThreadFinished(
                run_id=RUN, at=self.at, fork=fork, thread=thread, outcome=outcome, tokens=tokens, error=error
            )
        )

    def mends(self, kind: RepairKind, done: str, fork: int | None = 1, thread: int | None = None) -> "Tape":
        repair = Repair(kind=kind, done=done, fork=fork, thread=thread)
        return self._add(Repaired(run_id=RUN, at=self.at, repair=repair))

    def retries(self, reason: str, fork: int | None = None, thread: int | None = None) -> "Tape":
        return self._add(
            Retried(run_id=RUN, at=self.at, attempt=2, delay=0.5, reason=reason, fork=fork, thread=thread)
        )

    def joins(
        self,
        fork: int = 1,
        parent: tuple[int, int] | None = None,
        phase: Phase = "plan",
        text: str = "joined",
    ) -> "Tape":
        return self._add(Joined(run_id=RUN, at=self.at, fork=fork, text=text, phase=phase, parent=parent))

    def finish(self, **what: object) -> "Tape":
        return self._add(RunFinished(run_id=RUN, at=self.at, result=a_result(wall=self.at, **what)))

    def board(self) -> Board:
        board = Board()
        for event in self.events:
            board.apply(event)
        return board

    def lines(self) -> str:
        return "".join(dump_event(event) + "\n" for event in self.events)

    def _add(self, event: Event) -> "Tape":
        self.events.append(event)
        return self


def a_result(
    answer: str | None = "5158",
    text: str = "<think>\nall of it\n</think>\n\\boxed{5158}",
    finish: Finish = "stop",
    wall: float = 2.5,
    forks: int = 1,
    repairs: list[Repair] | None = None,
    problem: str = "Compute it",
    cached: int | None = None,
) -> Result:
    """Return a finished run with round numbers."""
    return Result(
        run_id=RUN,
        problem=problem,
        model="toy",
        mode="parallel",
        answer=answer,
        text=text,
        finish=finish,
        trace=[Segment(text=text, tokens=20, started=0.0, ended=wall, outcome="eos")],
        repairs=repairs or [],
        telemetry=Telemetry(
            total_tokens=100,
            critical_path_tokens=60,
            acceleration_ratio=0.4,
            self_parallelism=100 / 60,
            parallel_ratio=0.7,
            forks=forks,
            threads=3 * forks,
            wall_seconds=wall,
            critical_path_seconds=wall - 0.25,
            overhead_seconds=0.25,
            time_to_first_token=0.1,
            prompt_tokens=600 if cached is not None else None,
            cached_prompt_tokens=cached,
            requests=5,
            retries=0,
            tokens_from="usage",
        ),
        well_formed=True,
        no_fork_reason=None if forks else "no_tag",
    )


def two_threads() -> Tape:
    """Return a run in the middle of its only block: thread 1 has ended, thread 2 runs."""
    tape = Tape().start().says("<think>\n").says("We add the two products.\n")
    tape.says("<Parallel>\n<Outlines>\n<Outline>1: Compute 47*86.</Outline>\n")
    tape.says("<Outline>2: Compute 93*12.</Outline>\n</Outlines>")
    tape.fork("Compute 47*86.", "Compute 93*12.").send(1, 2)
    tape.writes(1, " 47*86").writes(2, " 93*12").writes(1, " = 4042\n").writes(2, " = 1000")
    return tape.ends(1, tokens=12)
