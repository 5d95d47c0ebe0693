"""The command line that starts vLLM: its flags and its environment."""

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
"""Flags of vLLM: a mapping of names, with or without dashes, or a list of command-line words.

In a mapping, `True` passes the flag alone, `False` its `--no-` form, `None` removes one that is passed by
default, a mapping is passed as JSON, another sequence as several values.
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
    "api-key": "api_key= (every user of the machine can read a command line)",
}
"""Flags that have a parameter of their own, and the parameter."""
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
"""Matches the names of secret variables, which are not shown."""
_REFUSED = ("uds", "ssl-keyfile", "ssl-certfile", "root-path", "headless", "grpc")
"""Flags that would make the server unreachable at its address."""


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag with its values."""

    name: str
    """The full name, without dashes and without `no-`."""
    words: tuple[str, ...]
    """Its words on the command line; empty for a flag that is removed."""


@dataclass(frozen=True, kw_only=True)
class ServeCommand:
    """One command that starts vLLM."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """The variables to set, without the API key."""
    note: str | None = None
    """What was chosen for this machine, and why; `None` if there is nothing to say."""

    @property
    def by_hand(self) -> str:
        """The shell command for the same server, without the API key or any other secret."""
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
    defaults: Mapping[str, FlagValue],
    given: Sequence[Flag],
    environment: Mapping[str, str],
) -> ServeCommand:
    """Return the command that serves a model; a flag of the user's replaces a default one."""
    names = {flag.name for flag in given}
    flags = [*(flag for flag in _from_mapping(defaults) if flag.name not in names), *given]
    words = (*build.command, *(["--model"] if build.model_flag else []), model)
    return ServeCommand(
        words=(*words, *(word for flag in flags for word in flag.words)), environment=environment
    )


def read_flags(given: Flags) -> list[Flag]:
    """Parse the user's flags.

    Raises:
        ConfigurationError: a flag has a parameter of its own, or is invalid.
    """
    if isinstance(given, str):
        raise ConfigurationError(f"flags={given!r}: pass a mapping, or a list of words")
    flags = _from_mapping(given) if isinstance(given, Mapping) else _from_words(given)
    for flag in flags:
        if flag.name in _PARAMETERS:
            raise ConfigurationError(f"flag --{flag.name}: pass {_PARAMETERS[flag.name]}")
        if flag.name in _REFUSED:
            raise ConfigurationError(
                f"flag --{flag.name}: it would make the server unreachable at its address"
            )
    return flags


def _from_mapping(given: Mapping[str, FlagValue]) -> list[Flag]:
    return [Flag(name=_full_name(key), words=_words(key, value)) for key, value in given.items()]


def _from_words(given: Sequence[str]) -> list[Flag]:
    flags: list[Flag] = []
    for word in given:
        if re.match(r"--?[A-Za-z]", word):
            flags.append(Flag(name=_full_name(word.partition("=")[0]), words=(word,)))
        elif flags:
            flags[-1] = replace(flags[-1], words=(*flags[-1].words, word))
        else:
            raise ConfigurationError(f"flags: {word!r} stands before any flag")
    return flags


def _full_name(key: str) -> str:
    name = key.lstrip("-").replace("_", "-")
    if not re.match(r"[A-Za-z][\w.+-]*$", name):
        raise ConfigurationError(f"flags: {key!r} is not the name of a flag")
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
