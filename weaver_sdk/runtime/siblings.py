"""What the first requests of the threads of one fork have in common, so that a server computes it once."""

from __future__ import annotations

import asyncio

from weaver_sdk.backends.base import SharedPrefix
from weaver_sdk.backends.prefixes import common_prefix


class Siblings:
    """The first requests of the threads of one fork: they are sent at once, and mostly begin alike.

    Those to different models have nothing in common.

    Args:
        key: the same for all of them, and for no other request.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._texts: dict[str, list[str]] = {}
        self._closed = False

    async def share(self, model: str, text: str) -> SharedPrefix | None:
        """Return what a request has in common with its siblings; `None` where it comes late, or alone.

        Args:
            model: which of the run's models it asks.
            text: all of its input.
        """
        if self._closed:
            return None
        texts = self._texts.setdefault(model, [])
        texts.append(text)
        await asyncio.sleep(0)  # all that begin with a request have come here in the same round
        self._closed = True
        if len(texts) < 2:
            return None
        first, last = min(texts), max(texts)
        common = first[: common_prefix(first, last)]
        key = self._key if model == "main" else f"{self._key}/{model}"
        return SharedPrefix(key=key, width=len(texts), text=common) if common else None
