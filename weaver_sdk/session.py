"""A session: open backends and the strategy chosen for them. Runs are made here."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from weaver_sdk.backends.base import Backend, SupportsTokenize
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup import DIALECTS, Dialect
from weaver_sdk.messages import Message
from weaver_sdk.opening import as_model, open_backend, open_further, template_of
from weaver_sdk.run_options import RunOptions
from weaver_sdk.runtime.config import Model, RunConfig
from weaver_sdk.session_config import SessionConfig
from weaver_sdk.session_gain import SessionGain
from weaver_sdk.strategies.answers import BOXED
from weaver_sdk.strategies.choose import ChosenStrategy, StrategyChoice, check_choice, choose, fitted
from weaver_sdk.strategies.compiled import compile_grammars
from weaver_sdk.strategies.strategy import program_of

_log = logging.getLogger("weaver_sdk")


@dataclass(kw_only=True)
class Session:
    """What all runs of a reasoner share."""

    config: SessionConfig
    backend: Backend
    """The main model's backend; runs use `models`."""
    models: Mapping[str, Model]
    has_template: bool
    """Whether chat messages can be rendered for the model."""
    opened: AsyncExitStack
    """What was opened for this session."""
    side_by_side: Callable[[], Awaitable[float | None]]
    """What the server gains from requests at once: `SessionGain.figure`."""
    chosen: ChosenStrategy = field(init=False)
    """The strategy of runs that do not choose another."""
    _stop_tokens: dict[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)

    @classmethod
    async def open(cls, config: SessionConfig) -> Session:
        """Start the engine, connect to the server, and ask it for what was not given.

        Raises:
            ConfigurationError: the server does not determine which model to use.
            EngineError: the engine did not start.
            BackendError: the server cannot be reached, or refuses the key.
        """
        opened = AsyncExitStack()
        try:
            backend = await open_backend(config, opened)
            template = await template_of(backend, config)
            models = {"main": as_model(backend, config, template)}
            for name, choice in config.models.items():
                models[name] = await open_further(name, choice, config, backend, opened)
            session = cls(
                config=config,
                backend=backend,
                models=models,
                has_template=template is not None and config.template != "raw",
                opened=opened,
                side_by_side=SessionGain(config, backend, models["main"].backend, opened).figure,
            )
            chosen = session.chosen = await session.choose(config.strategy)
            if not backend.capabilities.reliable_finish:
                _log.warning(
                    "finish reasons from %r are unreliable: a truncated stream may look complete", backend
                )
            _log.info("model %r, strategy %s: %s", backend.model, chosen.name, chosen.why)
            if template is None and chosen.needs_template:
                _log.warning(
                    "no chat template is known for model %r: the question is sent unchanged. Pass template=…",
                    backend.model,
                )
            await session.stop_tokens(chosen)
            await compile_grammars(chosen.strategy, models["main"].backend, config.budget.max_threads)
            return session
        except BaseException:
            await opened.aclose()
            raise

    async def aclose(self) -> None:
        """Close what was opened for this session."""
        await self.opened.aclose()

    async def run_config(
        self,
        messages: tuple[Message, ...],
        options: RunOptions,
        index: int | None,
    ) -> RunConfig:
        """Return a run's configuration; the session fills in the options that were not given.

        Raises:
            ConfigurationError: there is no such strategy, or it does not fit the server.
        """
        chosen, mode = self.chosen, options.get("mode", "parallel")
        if (strategy := options.get("strategy")) is not None:
            check_choice(strategy, None, self.config.template)
            chosen = await self.choose(strategy)
        form = options.get("answer") or self.config.answer
        return RunConfig(
            run_id=uuid.uuid4().hex[:12],
            messages=messages,
            instruction=BOXED if form == "boxed" and chosen.name != "native" else "",
            program=program_of(chosen.strategy, mode, form),
            models=self.models,
            mode=mode,
            sampling=options.get("sampling") or self.config.sampling,
            budget=options.get("budget") or self.config.budget,
            prefix=self.config.prefix,
            stop_tokens=await self.stop_tokens(chosen),
            warm_joins=self.warms_joins(chosen),
            metered=self.config.is_metered(self.backend),
            index=index,
            routing_key=options.get("routing_key"),
        )

    async def choose(self, strategy: StrategyChoice) -> ChosenStrategy:
        """Return the strategy that a choice means for this model on this server."""
        dialect = self.config.dialect
        chosen = choose(
            strategy,
            DIALECTS[dialect] if isinstance(dialect, str) else dialect,
            self.backend,
            has_template=self.has_template,
            in_vocabulary=await self._dialect_in_vocabulary() if isinstance(strategy, str) else None,
        )
        if strategy == "auto" and chosen.name == "planned":
            return fitted(chosen, await self.side_by_side())
        return chosen

    async def stop_tokens(self, chosen: ChosenStrategy) -> Mapping[str, tuple[int, ...]]:
        """Return the tokens of the tags that end a completion, if the server reports tokens.

        Asked once per dialect.

        Raises:
            ConfigurationError: `prefix="tokens"`, and the server or the strategy cannot send tokens.
        """
        able, dialect = self.backend.capabilities, chosen.dialect
        if self.config.prefix == "tokens" and not (able.token_prompts and chosen.continues(able)):
            raise ConfigurationError(
                f'prefix="tokens": {self.backend!r} with strategy {chosen.name} cannot send tokens'
                ': use prefix="text"'
            )
        if dialect is None or not able.token_ids or not isinstance(self.backend, SupportsTokenize):
            return {}
        if dialect.name not in self._stop_tokens:
            tags = (dialect.outlines[1], dialect.thread[1])
            found = zip(tags, await asyncio.gather(*map(self.backend.tokens, tags)), strict=True)
            self._stop_tokens[dialect.name] = {tag: tokens for tag, tokens in found if tokens}
        return self._stop_tokens[dialect.name]

    def warms_joins(self, chosen: ChosenStrategy) -> bool:
        """Whether to prefill joins ahead of time: the user wants it, and the server continues a text."""
        return self.config.warm_joins and chosen.continues(self.backend.capabilities)

    async def _dialect_in_vocabulary(self) -> Dialect | None:
        """Return the dialect whose tags are single tokens of the model, if the user named none."""
        if self.config.dialect is not None or not isinstance(self.backend, SupportsTokenize):
            return None
        for dialect in DIALECTS.values():
            if len(await self.backend.tokens(dialect.outlines[1]) or ()) == 1:
                return dialect
        return None
