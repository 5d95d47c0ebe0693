"""Where the server, the key and the model come from: arguments first, then the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from weaver_sdk.errors import ConfigurationError
from weaver_sdk.options import Prices

_VARIABLES = {
    "base_url": ("WEAVER_BASE_URL", "OPENAI_BASE_URL"),
    "api_key": ("WEAVER_API_KEY", "OPENAI_API_KEY"),
    "model": ("WEAVER_MODEL",),
}
"""Read in this order; the first that is set and not empty counts."""


@dataclass(frozen=True)
class Server:
    """Which model on which server."""

    base_url: str
    model: str | None = None
    """`None` to ask the server which model it serves."""
    key: str | None = field(default=None, repr=False)
    """The API key; never shown."""
    prices: Prices | None = None
    """What its tokens cost; `None` to report no cost."""


def resolve_server(
    base_url: str | None = None,
    api_key: str | None = None,
    model: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Server:
    """Take each setting that is not given from the environment, as the openai package does.

    Raises:
        ConfigurationError: no server is named anywhere.
    """
    variables = os.environ if environment is None else environment
    url = base_url or _first(variables, "base_url")
    if not url:
        raise ConfigurationError(
            "no server: give base_url=… (or set WEAVER_BASE_URL or OPENAI_BASE_URL), "
            "or use ParallelReasoner.local() for the packaged model"
        )
    return Server(
        base_url=url,
        model=resolve_model(model, variables),
        key=api_key if api_key is not None else _first(variables, "api_key"),
    )


def resolve_model(model: str | None = None, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the given model, else the environment's, else `None`."""
    return model or _first(os.environ if environment is None else environment, "model")


def _first(variables: Mapping[str, str], name: str) -> str | None:
    return next((value for key in _VARIABLES[name] if (value := variables.get(key, "").strip())), None)
