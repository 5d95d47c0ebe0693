"""GGUF files from the Hugging Face hub, by its own library: its cache, its token, its settings.

Needs the extra `hf`. `HF_TOKEN`, `HF_HOME`, `HF_ENDPOINT` and `HF_HUB_OFFLINE` work as they do everywhere;
the token is never shown.
"""

from __future__ import annotations

import importlib.util
import logging
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

        api = HfApi(library_name="weaver-sdk")
        try:
            file = self.file or self._choose(api)
            _log.info("fetching %s of %s%s, if it is not in the cache", file, HUB, self.repo)
            first, *_ = [api.hf_hub_download(self.repo, part) for part in parts_of(file)]
        except (httpx2.HTTPError, OSError) as error:  # the library's own errors are kinds of these
            raise EngineStartFailed(
                self._explained(error, api)
            ) from None  # it holds the request, and so the token
        return Path(first)

    def _choose(self, api: HfApi) -> str:
        """Return the file to take, of those that the hub lists, or else of those in the cache."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            files: Iterable[str] = api.list_repo_files(self.repo)
        except HfHubHTTPError:
            raise
        except (httpx2.TransportError, OSError) as unreachable:
            try:
                folder = Path(api.snapshot_download(self.repo, local_files_only=True))
            except LocalEntryNotFoundError:
                raise unreachable from None
            files = [file.relative_to(folder).as_posix() for file in folder.rglob("*.gguf")]
        return choose_file(str(self), files)

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
        if isinstance(error, errors.RemoteEntryNotFoundError):
            try:
                listed = _listed(gguf_files(api.list_repo_files(self.repo)))
            except OSError as another:
                return self._explained(another, api)
            return f"{self}: the repository has no file {self.file!r}; {listed}"
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
