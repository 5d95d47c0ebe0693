"""What a session's server gains from requests at once: given, kept from an earlier session, or measured."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from weaver_sdk.backends.base import Backend, ServerKind
from weaver_sdk.backends.server_backend import ServerBackend
from weaver_sdk.backends.side_by_side import TooSlow, measure, streams_at_once
from weaver_sdk.engines.engine import NamesItself
from weaver_sdk.errors import BackendError
from weaver_sdk.kept_measures import Measured, find_measure, keep_measure
from weaver_sdk.session_config import SessionConfig

_log = logging.getLogger("weaver_sdk")

_MAY_BE_YOURS: frozenset[ServerKind] = frozenset({"unknown", "vllm", "sglang", "llama.cpp", "litellm"})
"""Servers that may run on one small machine. The others are built for many streams, and bill each token."""


_PATIENCE = 4.0
"""Seconds for prompts and one stream, of some 5 tokens a second: for so long a user waits at most."""


class SessionGain:
    """The figure of `SideBySide` for one session, found at first use, once for all its runs.

    Args:
        config: what the user gave.
        backend: the main model's, as it was opened.
        limited: the same, under the session's limits: what runs use.
        opened: closes the measure with the session.
    """

    def __init__(
        self, config: SessionConfig, backend: Backend, limited: Backend, opened: AsyncExitStack
    ) -> None:
        self._config = config
        self._backend = backend
        self._limited = limited
        self._finding: asyncio.Task[float | None] | None = None
        opened.push_async_callback(self._aclose)

    async def figure(self) -> float | None:
        """Return the tokens per second of four streams at once, as a multiple of one stream's.

        `None` if it is not known: a backend of the user's own and a commercial host are not measured, and a
        measure can fail, which is logged.
        """
        if self._finding is None or (
            self._finding.done() and (self._finding.cancelled() or self._finding.exception())
        ):
            self._finding = asyncio.create_task(self._find())
        return await asyncio.shield(self._finding)  # a run that is cancelled leaves it to the others

    async def _find(self) -> float | None:
        if self._config.side_by_side is not None:
            return self._config.side_by_side
        streams = streams_at_once(self._limited)
        if streams == 1:
            return 1.0
        name = self._name()
        of = Measured(server=name, model=self._backend.model, streams=streams) if name else None
        if of is not None and (kept := find_measure(of)) is not None:
            return kept.side_by_side
        if not self._is_measured():
            return None
        _log.info("%r: measuring what it gains from requests at once", self._backend)
        try:
            found = await measure(self._limited, _PATIENCE)
        except TooSlow as error:
            _log.warning(
                "%r: %s, so what it gains from requests at once is not measured before a question, and auto "
                "asks plainly. `weaver doctor` measures it and keeps the figure; side_by_side=… sets it",
                self._backend,
                error,
            )
            return 1.0
        except BackendError as error:
            _log.warning(
                "what %r gains from requests at once could not be measured: %s", self._backend, error
            )
            return None
        _log.info(
            "%r: %d streams at once give %.2f times the tokens per second of one, measured in %.1f s",
            self._backend,
            streams,
            found.figure,
            found.seconds,
        )
        if of is not None:
            keep_measure(of, found)
        return found.figure

    def _name(self) -> str | None:
        """Return what names the server in later sessions; `None` if nothing does."""
        if (engine := self._config.engine) is not None:
            return engine.identity if isinstance(engine, NamesItself) else None
        return self._backend.base_url if isinstance(self._backend, ServerBackend) else None

    def _is_measured(self) -> bool:
        if self._config.engine is not None:
            return True
        return isinstance(self._backend, ServerBackend) and self._backend.capabilities.server in _MAY_BE_YOURS

    async def _aclose(self) -> None:
        if self._finding is not None and not self._finding.done():
            self._finding.cancel()
            await asyncio.wait([self._finding])
