"""GGUF files from the Hugging Face hub, by its own library: its cache, its token, its settings.

Needs the extra `hf`. `HF_TOKEN`, `HF_HOME`, `HF_ENDPOINT` and `HF_HUB_OFFLINE` work as they do everywhere;
the token is never shown.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weaver_sdk.errors import ConfigurationError, EngineNotInstalled, EngineStartFailed

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_log = logging.getLogger("weaver_sdk")

HUB = "hf:"
"""What the name of a model on the hub begins with."""

CONTEXT_TOKENS = 2048
"""Tokens that one completion may hold, if nothing else is known."""

_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)
_SHOWN = 12
"""Files in an error message."""


@dataclass(frozen=True)
class HubModel:
    """A GGUF file in a repository of the hub."""

    repo: str
    """OWNER/REPO."""
    file: str | None = None
    """The path inside the repository; if not given, the only GGUF file, else the one in Q4_K_M."""

    @property
    def name(self) -> str:
        """As the user wrote it: the file, and with it a shorter name, is known only when it is there."""
        return str(self)

    @property
    def context_tokens(self) -> int:
        """Tokens that one completion may hold, if the user does not say."""
        return CONTEXT_TOKENS

    def __str__(self) -> str:
        return f"{HUB}{self.repo}" + (f":{self.file}" if self.file else "")

    @classmethod
    def named(cls, text: str) -> HubModel:
        """Read "hf:OWNER/REPO" or "hf:OWNER/REPO:FILE".

        Raises:
            ConfigurationError: the text names no repository.
        """
        found = re.fullmatch(rf"{HUB}([\w.-]+/[\w.-]+)(?::(.+))?", text)
        if found is None:
            raise ConfigurationError(
                f"{text!r}: name a model on the hub as hf:OWNER/REPO or hf:OWNER/REPO:FILE"
            )
        return cls(found[1], found[2])

    def fetch(self) -> Path:
        """Return the file in the library's cache; download it if it is not there. It may block for minutes.

        Of a model that is split into parts, all are fetched, and the first is returned.

        Raises:
            EngineNotInstalled: the extra `hf` is missing.
            EngineStartFailed: no such repository or file, or the hub refuses it or cannot be reached.
        """
        if importlib.util.find_spec("huggingface_hub") is None:
            raise EngineNotInstalled(f'{self}: the hub needs its library: pip install "weaver-sdk[hf]"')
        import httpx2
        from huggingface_hub import HfApi

        api = HfApi(os.environ.get("HF_ENDPOINT"), library_name="weaver-sdk")
        try:
            return self._fetch(api)
        except (httpx2.HTTPError, OSError) as error:  # the library's own errors are kinds of these
            message = self._explained(error, api)
        raise EngineStartFailed(message)  # not chained: the error holds the request, and so the token

    def _fetch(self, api: HfApi) -> Path:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError

        cached = False
        try:
            # asked in this way, the library does not try for half a minute where there is no network
            files = [file.rfilename for file in api.model_info(self.repo, timeout=10.0).siblings or ()]
        except (httpx2.HTTPError, OSError) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
                raise
            cached, files = True, self._cached(api)
            if not (self.file in files if self.file else gguf_files(files)):
                raise
        file = self._chosen(files)
        _log.info("model %s: %s, downloaded if it is not in the cache", self, file)
        parts = [api.hf_hub_download(self.repo, part, local_files_only=cached) for part in parts_of(file)]
        return Path(parts[0])

    def _cached(self, api: HfApi) -> list[str]:
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            folder = Path(api.snapshot_download(self.repo, local_files_only=True))
        except LocalEntryNotFoundError:
            return []
        return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]

    def _chosen(self, files: list[str]) -> str:
        if self.file is None:
            return choose_file(str(self), files)
        if self.file not in files:
            raise EngineStartFailed(f"{self}: the repository has no such file; {_listed(gguf_files(files))}")
        return self.file

    def _explained(self, error: Exception, api: HfApi) -> str:
        from huggingface_hub import errors

        place = api.endpoint
        if isinstance(error, errors.GatedRepoError):
            return (
                f"{self} is gated: accept its terms at {place}/{self.repo}, and give your token: "
                "set HF_TOKEN, or run `hf auth login`"
            )
        if isinstance(error, errors.RepositoryNotFoundError):
            return f"{self}: no such repository at {place}, or a private one: for that set HF_TOKEN"
        status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
        if status in (401, 403):
            return f"{self}: {place} refuses the token (HTTP {status}): set another HF_TOKEN, or none"
        if status is not None:
            return f"{self}: {place} answered with HTTP {status}"
        if isinstance(error, errors.OfflineModeIsEnabled):
            return f"{self} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it"
        if isinstance(error, errors.LocalEntryNotFoundError) or not isinstance(error, OSError):
            return f"{self} is not in the cache, and {place} cannot be reached: check the connection"
        return f"{self} cannot be kept in the cache: {error}"


def gguf_files(files: Iterable[str]) -> list[str]:
    """Return the files that hold a whole model or the first part of one, sorted."""
    return sorted(
        file
        for file in files
        if file.lower().endswith(".gguf")
        and "mmproj" not in file.lower()  # an encoder for images, no model by itself
        and ((part := _PART.search(file)) is None or int(part[1]) == 1)
    )


def choose_file(asked: str, files: Iterable[str]) -> str:
    """Return the only GGUF file of a list, else the one in Q4_K_M, a usual balance of size and quality.

    Args:
        asked: what the user asked for, for the error.
        files: paths inside a repository.

    Raises:
        EngineStartFailed: there is none, or several of which none or more than one is in Q4_K_M.
    """
    models = gguf_files(files)
    usual = [file for file in models if "q4_k_m" in file.lower()]
    for found in (models, usual):
        if len(found) == 1:
            return found[0]
    if not models:
        raise EngineStartFailed(f"{asked}: {_listed(models)}")
    raise EngineStartFailed(f"{asked}: name one of its files, as {asked}:FILE; {_listed(models)}")


def parts_of(file: str) -> list[str]:
    """Return all parts of a model that is split into several files, the first one first; else its file."""
    found = _PART.search(file)
    if found is None:
        return [file]
    before, count = file[: found.start()], int(found[2])
    return [f"{before}-{number:05}-of-{count:05}{file[-5:]}" for number in range(1, count + 1)]


def _listed(models: list[str]) -> str:
    if not models:
        return "it holds no GGUF files, and the embedded engine reads no other"
    more = len(models) - _SHOWN
    return f"it has {', '.join(models[:_SHOWN])}" + (f" and {more} more" if more > 0 else "")
