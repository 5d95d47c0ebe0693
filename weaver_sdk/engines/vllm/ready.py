"""Whether a vLLM server answers, and whether it can generate."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any


class NotReady(Exception):
    """The server answers, but not as one that can be used."""


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Asks one server, each question over a connection of its own."""

    host: str
    port: int
    api_key: str = field(repr=False)

    def is_healthy(self, seconds: float = 5.0) -> bool:
        """Return whether the server says that it is well."""
        try:
            return self._ask("GET", "/health", None, seconds)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def context_tokens(self, model: str, seconds: float = 30.0) -> int | None:
        """Return how long the model's context is; `None` where the server does not say.

        Raises:
            NotReady: it does not serve the model.
            OSError: the connection broke.
        """
        status, told = self._ask("GET", "/v1/models", None, seconds)
        if status != 200:
            raise NotReady(f"its list of models is answered with {status}: {told[:300]}")
        served: dict[str, int | None] = {
            found["id"]: found.get("max_model_len") for found in _object(told).get("data", [])
        }
        if model not in served:
            raise NotReady(f"it serves {', '.join(served) or 'no model'}, not {model}")
        return served[model]

    def generate(self, model: str, seconds: float) -> None:
        """Have it write one token. The first may take minutes, where kernels are still to be compiled.

        Raises:
            NotReady: it cannot.
            OSError: the connection broke.
        """
        # a token's number, as no text is sure to be one in every vocabulary
        body = {"model": model, "prompt": [0], "max_tokens": 1, "temperature": 0}
        status, told = self._ask("POST", "/v1/completions", body, seconds)
        if status != 200:
            raise NotReady(f"it is up, but cannot generate: {status}, {told[:300]}")
        if not _object(told).get("choices"):
            raise NotReady(f"it is up, but generates nothing: {told[:300]}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            headers = {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            told = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        return answer.status, told.replace(self.api_key, "[key]") if self.api_key else told


def _object(told: str) -> dict[str, Any]:
    try:
        found = json.loads(told)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NotReady(f"what answers is no vLLM: {told[:300]}")
    return found
