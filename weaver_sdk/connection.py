"""From what a user gave to what a run needs: a backend, a dialect, a way to write the prompt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

from weaver_sdk.backends.answer import Timeouts
from weaver_sdk.backends.base import Api, Backend, Capabilities, TellsTemplate, TellsTokens
from weaver_sdk.backends.chat import ChatBackend
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.limited import limited
from weaver_sdk.backends.link import server_address
from weaver_sdk.backends.server import ServerBackend
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import DIALECTS, Dialect
from weaver_sdk.markup.prompts import TEMPLATES, render, template_for_model
from weaver_sdk.messages import transcript
from weaver_sdk.options import Limits, PrefixForm, RetryPolicy
from weaver_sdk.runtime.config import Model, Render
from weaver_sdk.settings import resolve_model, resolve_server
from weaver_sdk.strategies.choose import ChosenStrategy, StrategyChoice, check_choice, choose

if TYPE_CHECKING:
    import httpx2
    import openai

    from weaver_sdk.engines.engine import Engine

_log = logging.getLogger("weaver_sdk")

ApiChoice = Literal["auto"] | Api
"""Which endpoint to ask; "auto": `/v1/completions` where it is there, else `/v1/chat/completions`."""

TemplateChoice = str | Render
"""The name of a template, "auto", "raw", or a callable."""


@dataclass(kw_only=True)
class Connection:
    """What runs need, open."""

    models: Mapping[str, Model]
    """What runs speak with: they take a permit for each request, and tell when it is sent."""
    chosen: ChosenStrategy
    opened: AsyncExitStack
    """What was opened for it."""
    stop_tokens: Mapping[str, tuple[int, ...]]
    """The tags that end a completion, as the server makes tokens of them; empty where it does not tell."""
    warm_joins: bool
    """Whether joins are computed ahead."""

    async def aclose(self) -> None:
        """Close what was opened for it."""
        await self.opened.aclose()


@dataclass(frozen=True, kw_only=True)
class ConnectionPlan:
    """What a user gave, checked as far as it can be without a server.

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
    api: ApiChoice = "auto"
    capabilities: Capabilities | None = None
    dialect: str | Dialect | None = None
    template: TemplateChoice = "auto"
    strategy: StrategyChoice = "auto"
    prefix: PrefixForm = "text"
    warm_joins: bool | None = None
    max_concurrency: int | Limits = 64
    retries: int | RetryPolicy = 2
    timeout: float | Timeouts = 60.0

    def __post_init__(self) -> None:
        server = {
            "model": self.model,
            "base_url": self.base_url,
            "api_key": self.api_key,
            "client": self.client,
            "http_client": self.http_client,
        }
        given = [name for name, value in server.items() if value is not None]
        for whole in ("backend", "engine"):
            if getattr(self, whole) is not None and given:
                raise ConfigurationError(f"give {whole} or {given[0]}, not both: a {whole} brings its own")
        if self.backend is not None and self.engine is not None:
            raise ConfigurationError("give backend or engine, not both")
        if self.client is not None and len(extra := [name for name in given if name != "model"]) > 1:
            named = next(name for name in extra if name != "client")
            raise ConfigurationError(f"give client or {named}, not both: an AsyncOpenAI has its own")
        if self.api not in ("auto", *get_args(Api)):
            raise ConfigurationError(f'api={self.api!r}: use "auto", "completions" or "chat"')
        for whole in ("backend", "engine"):
            if getattr(self, whole) is not None and (self.api != "auto" or self.capabilities is not None):
                raise ConfigurationError(f"give {whole}, or api and capabilities: a {whole} brings its own")
        if self.api == "chat" and self.template != "auto":
            raise ConfigurationError('give api="chat" or template: over chat the server applies its own')
        if self.prefix not in get_args(PrefixForm):
            raise ConfigurationError(f'prefix={self.prefix!r}: use "text" or "tokens"')
        check_choice(self.strategy, self.dialect, self.template)
        if isinstance(self.dialect, str) and self.dialect not in DIALECTS:
            raise ConfigurationError(f"unknown dialect {self.dialect!r}: use one of {', '.join(DIALECTS)}")
        if isinstance(self.template, str) and self.template not in ("auto", *TEMPLATES):
            known = ", ".join(("auto", *TEMPLATES))
            raise ConfigurationError(f"unknown template {self.template!r}: use one of {known}, or a callable")
        self._habits()
        if self.backend is None and self.engine is None and self.client is None and self.http_client is None:
            server_address(resolve_server(self.base_url, self.api_key, self.model).base_url)

    async def open(self) -> Connection:
        """Start the engine, reach the server, and ask it for what was not given.

        Raises:
            ConfigurationError: the server does not tell which model to use.
            EngineError: the engine did not start.
            BackendError: the server cannot be reached, or refuses the key.
        """
        opened = AsyncExitStack()
        try:
            backend = await self._open_backend(opened)
            template = await self._template(backend)
            chats = template is not None and self.template != "raw"
            chosen = choose(
                self.strategy,
                self._dialect(),
                backend,
                has_template=chats,
                in_vocabulary=await self._dialect_in_vocabulary(backend),
            )
            if not backend.capabilities.reliable_finish:
                _log.warning("how a text ended may be made up by what lies between: %r", backend)
            _log.info("model %r, strategy %s: %s", backend.model, chosen.name, chosen.why)
            if template is None and chosen.needs_template:
                _log.warning(
                    "no chat template is known for model %r: the question is sent as it is. Give template=…",
                    backend.model,
                )
            how = template or partial(render, template=TEMPLATES["raw"])
            return Connection(
                models={"main": Model(backend=limited(backend, Limits.of(self.max_concurrency)), render=how)},
                chosen=chosen,
                opened=opened,
                stop_tokens=await self._stop_tokens(backend, chosen),
                warm_joins=self._warms_joins(chosen, backend),
            )
        except BaseException:
            await opened.aclose()
            raise

    def _warms_joins(self, chosen: ChosenStrategy, backend: Backend) -> bool:
        """Tell whether joins are computed ahead: as the user says, else where the engine gains by it.

        Where input tokens are paid for, or others wait for the server, that is the user's to decide.
        """
        gains = self.engine is not None and self.engine.warms_joins
        wanted = gains if self.warm_joins is None else self.warm_joins
        return wanted and chosen.continues(backend.capabilities)

    async def _stop_tokens(self, backend: Backend, chosen: ChosenStrategy) -> Mapping[str, tuple[int, ...]]:
        """Ask for the tokens of the tags that end a completion, where the server sends those of its text."""
        able = backend.capabilities
        if self.prefix == "tokens" and not (able.token_prompts and chosen.continues(able)):
            raise ConfigurationError(
                f'prefix="tokens": {backend!r} with strategy {chosen.name} takes no tokens for a prefix: '
                'use prefix="text"'
            )
        dialect = chosen.dialect
        if dialect is None or not able.token_ids or not isinstance(backend, TellsTokens):
            return {}
        tags = (dialect.outlines[1], dialect.thread[1])
        told = zip(tags, await asyncio.gather(*map(backend.tokens, tags)), strict=True)
        return {tag: tokens for tag, tokens in told if tokens}

    def _dialect(self) -> Dialect | None:
        return DIALECTS[self.dialect] if isinstance(self.dialect, str) else self.dialect

    async def _dialect_in_vocabulary(self, backend: Backend) -> Dialect | None:
        """Return the dialect whose tags the server makes single tokens of, where nothing else tells one."""
        if (
            self.dialect is not None
            or not isinstance(self.strategy, str)
            or not isinstance(backend, TellsTokens)
        ):
            return None
        for dialect in DIALECTS.values():
            if len(await backend.tokens(dialect.outlines[1]) or ()) == 1:
                return dialect
        return None

    async def _open_backend(self, opened: AsyncExitStack) -> Backend:
        if self.backend is not None:
            return self.backend
        backend: Backend
        if self.engine is not None:
            await opened.enter_async_context(self.engine)
            backend = self.engine.backend(**self._habits())
        else:
            backend = await self._server_backend()
        opened.push_async_callback(backend.aclose)
        if isinstance(backend, ServerBackend):
            await backend.discover()
        return backend

    async def _server_backend(self) -> ServerBackend:
        """Return a backend for the server's address, by the endpoint that was asked for or that it has."""
        if self.api == "chat":
            return self._to_server(ChatBackend)
        backend = self._to_server(CompletionsBackend)
        if self.api == "completions" or self.template != "auto":
            return backend
        try:
            found = await backend.discover()
        except BaseException:
            await backend.aclose()
            raise
        if found.capabilities.api == "completions":
            return backend
        await backend.aclose()
        return self._to_server(ChatBackend, backend.model, found.capabilities)

    def _to_server(
        self,
        kind: type[ServerBackend],
        model: str | None = None,
        capabilities: Capabilities | None = None,
    ) -> ServerBackend:
        """Return a backend; what was found out about the server goes before what was not given."""
        habits: dict[str, Any] = {"capabilities": capabilities or self.capabilities, **self._habits()}
        if self.client is not None or (self.http_client is not None and self.base_url is None):
            return kind(
                resolve_model(model or self.model),
                api_key=self.api_key,
                client=self.client,
                http_client=self.http_client,
                **habits,
            )
        server = resolve_server(self.base_url, self.api_key, model or self.model)
        return kind(server.model, server.base_url, server.api_key, http_client=self.http_client, **habits)

    def _habits(self) -> dict[str, Any]:
        return {
            "retries": RetryPolicy.of(self.retries),
            "timeouts": self._timeouts(),
            "max_concurrency": Limits.of(self.max_concurrency),
        }

    def _timeouts(self) -> Timeouts:
        return self.timeout if isinstance(self.timeout, Timeouts) else Timeouts(idle=self.timeout)

    async def _template(self, backend: Backend) -> Render | None:
        """Return how a question becomes a prompt; "auto" asks the server first, then the model's name."""
        if backend.capabilities.api == "chat":
            return transcript  # the server wraps the turns, and takes more than text
        if callable(self.template):
            return self.template
        if self.template != "auto":
            return partial(render, template=TEMPLATES[self.template])
        if isinstance(backend, TellsTemplate) and (told := await backend.chat_template()) is not None:
            return told
        name = template_for_model(backend.model)
        return partial(render, template=TEMPLATES[name]) if name else None
