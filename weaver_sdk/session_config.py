"""The arguments of a reasoner, checked as far as possible without a server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import httpx2

from weaver_sdk.backends.base import Api, Backend, Capabilities, ServerKind
from weaver_sdk.backends.http.response import Timeouts
from weaver_sdk.backends.http.transport import display_url, server_address
from weaver_sdk.backends.server_backend import ServerBackend
from weaver_sdk.engines.engine import Engine
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import DIALECTS, Dialect
from weaver_sdk.markup.prompts import TEMPLATES
from weaver_sdk.options import AnswerForm, Budget, Limits, PrefixForm, Prices, RetryPolicy, Sampling
from weaver_sdk.runtime.config import Render
from weaver_sdk.settings import Server, resolve_server
from weaver_sdk.strategies.choose import StrategyChoice, check_choice

if TYPE_CHECKING:
    import openai

ApiChoice = Literal["auto"] | Api
"""Which endpoint to ask; "auto": `/v1/completions` if the server has it, else `/v1/chat/completions`."""

TemplateChoice = str | Render
"""The name of a template, "auto", "raw", or a callable."""

ModelChoice = str | Backend | Server
"""A further model: its name on the reasoner's server, a backend, or a model on another server."""


_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_ENGINES: tuple[ServerKind, ...] = ("vllm", "sglang", "llama.cpp")
"""Servers that run a model themselves: on this machine they are the user's own."""


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """The arguments of `ParallelReasoner`.

    Raises:
        ConfigurationError: arguments contradict each other, or one cannot be used.
    """

    model: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    client: openai.AsyncOpenAI | None = None
    http_client: httpx2.AsyncClient | None = None
    backend: Backend | None = None
    engine: Engine | None = None
    models: Mapping[str, ModelChoice] = field(default_factory=dict)
    api: ApiChoice = "auto"
    capabilities: Capabilities | None = None
    dialect: str | Dialect | None = None
    template: TemplateChoice = "auto"
    strategy: StrategyChoice = "auto"
    prefix: PrefixForm = "text"
    warm_joins: bool = False
    answer: AnswerForm = "text"
    metered: bool | None = None
    side_by_side: float | None = None
    sampling: Sampling = field(default_factory=Sampling)
    budget: Budget = field(default_factory=Budget)
    prices: Mapping[str, Prices] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        self._check_server()
        if self.prefix not in get_args(PrefixForm):
            raise ConfigurationError(f'prefix={self.prefix!r}: use "text" or "tokens"')
        if self.side_by_side is not None and not 0 < self.side_by_side < math.inf:
            raise ConfigurationError(f"side_by_side={self.side_by_side}: use a number above 0")
        check_choice(self.strategy, self.dialect, self.template)
        if isinstance(self.dialect, str) and self.dialect not in DIALECTS:
            raise ConfigurationError(f"unknown dialect {self.dialect!r}: use one of {', '.join(DIALECTS)}")
        if isinstance(self.template, str) and self.template not in ("auto", *TEMPLATES):
            known = ", ".join(("auto", *TEMPLATES))
            raise ConfigurationError(f"unknown template {self.template!r}: use one of {known}, or a callable")
        if "main" in self.models:
            raise ConfigurationError('models={"main": …}: "main" is the model of the reasoner itself')
        if self.answer not in get_args(AnswerForm):
            raise ConfigurationError(f'answer={self.answer!r}: use "text" or "boxed"')
        for name, kind in (("sampling", Sampling), ("budget", Budget)):
            if not isinstance(getattr(self, name), kind):
                raise ConfigurationError(f"{name}: give a {kind.__name__}(…)")

    def is_metered(self, backend: Backend) -> bool:
        """Return whether tokens cost money: as the user says, else unless the server is the user's own."""
        if self.metered is not None:
            return self.metered
        if self.engine is not None:
            return False
        here = isinstance(backend, ServerBackend) and httpx2.URL(backend.base_url).host in _THIS_MACHINE
        return not (here and backend.capabilities.server in _ENGINES)

    def in_words(self) -> str:
        """Return the model, the server and the strategy, without credentials."""
        whole = self.engine or self.backend
        client = self.client or (None if self.base_url else self.http_client)
        address = str(client.base_url) if client is not None else self.base_url
        server = repr(whole) if whole is not None else display_url(httpx2.URL(address or ""))
        at = f"{self.model} at" if self.model else "at"
        return f"{at} {server or 'a server from the environment'}, strategy={self.strategy!r}"

    def _check_server(self) -> None:
        """Check that the arguments name exactly one server."""
        server = {
            "model": self.model,
            "base_url": self.base_url,
            "api_key": self.api_key,
            "client": self.client,
            "http_client": self.http_client,
        }
        given = [name for name, value in server.items() if value is not None]
        whole = next((name for name in ("backend", "engine") if getattr(self, name) is not None), None)
        if self.backend is not None and self.engine is not None:
            raise ConfigurationError("give backend or engine, not both")
        if whole is not None and given:
            raise ConfigurationError(f"give {whole} or {given[0]}, not both: a {whole} brings its own")
        if whole is not None and (self.api != "auto" or self.capabilities is not None):
            raise ConfigurationError(f"give {whole}, or api and capabilities: a {whole} brings its own")
        if self.client is not None and (extra := [name for name in given if name not in ("model", "client")]):
            raise ConfigurationError(f"give client or {extra[0]}, not both: an AsyncOpenAI has its own")
        if self.api not in ("auto", *get_args(Api)):
            raise ConfigurationError(f'api={self.api!r}: use "auto", "completions" or "chat"')
        if self.api == "chat" and self.template != "auto":
            raise ConfigurationError('give api="chat" or template: a chat server applies its own')
        if whole is None and self.client is None and self.http_client is None:
            server_address(resolve_server(self.base_url, self.api_key, self.model).base_url)
