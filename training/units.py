"""The `<context, completion>` pairs that the state machine meets when it runs a trajectory."""

from __future__ import annotations

import re
from dataclasses import dataclass

from training.vocabulary import END

_FORK = re.compile(r"</Outlines>(?P<threads>(?:\n?<Thread>\n?\d+:.*?</Thread>)+)\n", re.DOTALL)
_THREAD = re.compile(r"<Thread>\n(?P<number>\d+):(?P<body>.*?</Thread>)", re.DOTALL)


@dataclass(frozen=True)
class Unit:
    """One request to the model: it is given `context` and writes `completion`."""

    context: str
    completion: str


def units(prompt: str, trajectory: str, *, whole: bool = True) -> list[Unit]:
    """The units of a well-formed trajectory, in the order of the state machine.

    The main line up to each `</Outlines>`, every thread on its own prefix, the main line after each join,
    and, with `whole`, the trajectory as one completion of the prompt, which keeps the sequential mode of
    the same weights valid. The last completion of the main line ends with the end token.
    """
    found: list[Unit] = []
    start, ended = 0, trajectory + END
    for fork in _FORK.finditer(ended):
        opened = fork.start("threads")
        found.append(Unit(prompt + ended[:start], ended[start:opened]))
        found += [
            Unit(f"{prompt}{ended[:opened]}\n<Thread>\n{thread['number']}:", thread["body"])
            for thread in _THREAD.finditer(fork["threads"])
        ]
        start = fork.end()
    found.append(Unit(prompt + ended[:start], ended[start:]))
    if whole and start:
        found.append(Unit(prompt, ended))
    return found
