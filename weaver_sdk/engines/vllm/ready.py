"""Checks that a starting vLLM server responds, and that it can generate."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any


class NotReady(Exception):
    """The server responds, but cannot be used."""


@dataclass(frozen=True, kw_only=True)
class ReadinessCheck:
    """Checks one server; each request has a connection of its own."""

    host: str
    port: int
    api_key: str = field(repr=False)

    def is_healthy(self, seconds: float = 5.0) -> bool:
        """Return whether `/health` responds with 200."""
        try:
            return self._request("GET", "/health", None, seconds)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def context_tokens(self, model: str, seconds: float = 30.0) -> int | None:
        """Return the length of the model's context in tokens; `None` if not reported.

        Raises:
            NotReady: the server does not serve the model.
            OSError: the connection broke.
        """
        status, text = self._request("GET", "/v1/models", None, seconds)
        if status != 200:
            raise NotReady(f"GET /v1/models responded with {status}: {text[:300]}")
        served: dict[str, int | None] = {
            found["id"]: found.get("max_model_len") for found in _object(text).get("data", [])
        }
        if model not in served:
            raise NotReady(f"it serves {', '.join(served) or 'no model'}, not {model}")
        return served[model]

    def generate(self, model: str, seconds: float) -> None:
        """Generate one token. The first may take minutes, while kernels are being compiled.

        Raises:
            NotReady: it cannot generate.
            OSError: the connection broke.
        """
        # a token id, since no text is a single token in every vocabulary
        body = {"model": model, "prompt": [0], "max_tokens": 1, "temperature": 0}
        status, text = self._request("POST", "/v1/completions", body, seconds)
        if status != 200:
            raise NotReady(f"it is up, but cannot generate: {status}, {text[:300]}")
        if not _object(text).get("choices"):
            raise NotReady(f"it is up, but generates nothing: {text[:300]}")

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None, seconds: float
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            headers = {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        return response.status, text.replace(self.api_key, "[key]") if self.api_key else text


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NotReady(f"the server at this address is not vLLM: {text[:300]}")
    return found
