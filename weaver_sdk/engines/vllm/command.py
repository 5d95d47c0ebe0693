"""What is typed to start vLLM: the command, its flags, the environment."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from weaver_sdk.engines.vllm.build import Build
from weaver_sdk.errors import ConfigurationError

FlagValue = str | int | float | bool | None | Sequence[object] | Mapping[str, object]
Flags = Mapping[str, FlagValue] | Sequence[str]
"""Flags of vLLM: by name, with or without the dashes, or as they are typed.

By name, `True` gives the flag alone, `False` its `--no-` form, `None` takes away one that we would give, a
mapping becomes JSON, another sequence several values.
"""

_SHORT = {
    "tp": "tensor-parallel-size",
    "dp": "data-parallel-size",
    "pp": "pipeline-parallel-size",
    "cc": "compilation-config",
}
_PARAMETERS = {
    "model": "the model as the first argument",
    "host": "host=",
    "port": "port=",
    "served-model-name": "served_model_name=",
    "api-key": "api_key= (what is typed, everybody on the machine can read)",
}
"""Flags that the server is reached by, and what to give in their place."""
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
"""In the names of variables that are not to be shown."""
_REFUSED = ("uds", "ssl-keyfile", "ssl-certfile", "root-path", "headless", "grpc")
"""Flags with which the server would not be found at its address."""


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag with its values."""

    name: str
    """The whole name, without dashes and without a `no-`."""
    words: tuple[str, ...]
    """What is typed; nothing for a flag that is taken away."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One call of vLLM."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """What is set for it; without the key."""

    @property
    def by_hand(self) -> str:
        """What to type in a shell for the same server, without a key or any other secret."""
        settings = [
            f"{name}={shlex.quote(value)}"
            for name, value in self.environment.items()
            if not _SECRET.search(name)
        ]
        return " ".join([*settings, shlex.join(self.words)])


def serve_command(
    build: Build,
    model: str,
    *,
    ours: Mapping[str, FlagValue],
    given: Sequence[Flag],
    environment: Mapping[str, str],
) -> Command:
    """Return the call that serves a model; a flag that is given goes before one of ours."""
    names = {flag.name for flag in given}
    flags = [*(flag for flag in _by_name(ours) if flag.name not in names), *given]
    words = (*build.command, *(["--model"] if build.model_flag else []), model)
    return Command(words=(*words, *(word for flag in flags for word in flag.words)), environment=environment)


def read_flags(given: Flags) -> list[Flag]:
    """Return what is given flag by flag.

    Raises:
        ConfigurationError: a flag is given that has a parameter, or that cannot be one.
    """
    if isinstance(given, str):
        raise ConfigurationError(f"flags={given!r}: give a mapping, or a list of words")
    flags = _by_name(given) if isinstance(given, Mapping) else _as_typed(given)
    for flag in flags:
        if flag.name in _PARAMETERS:
            raise ConfigurationError(f"flag --{flag.name}: give {_PARAMETERS[flag.name]}")
        if flag.name in _REFUSED:
            raise ConfigurationError(f"flag --{flag.name}: the server would not be found at its address")
    return flags


def _by_name(given: Mapping[str, FlagValue]) -> list[Flag]:
    return [Flag(name=_whole_name(key), words=_words(key, value)) for key, value in given.items()]


def _as_typed(given: Sequence[str]) -> list[Flag]:
    flags: list[Flag] = []
    for word in given:
        if re.match(r"--?[A-Za-z]", word):
            flags.append(Flag(name=_whole_name(word.partition("=")[0]), words=(word,)))
        elif flags:
            flags[-1] = replace(flags[-1], words=(*flags[-1].words, word))
        else:
            raise ConfigurationError(f"flags: {word!r} stands before any flag")
    return flags


def _whole_name(key: str) -> str:
    name = key.lstrip("-").replace("_", "-")
    if not re.match(r"[A-Za-z][\w.+-]*$", name):
        raise ConfigurationError(f"flags: {key!r} is no name of a flag")
    return _SHORT.get(name, name).removeprefix("no-")


def _words(key: str, value: FlagValue) -> tuple[str, ...]:
    name = key.lstrip("-").replace("_", "-")
    if value is None:
        return ()
    if isinstance(value, bool):
        return (f"--{name}" if value else f"--no-{name}",)
    if isinstance(value, Mapping):
        return (f"--{name}", json.dumps(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (f"--{name}", *(str(part) for part in value))
    return (f"--{name}", str(value))
