"""From a user's arguments to open backends, and to each one's prompt template."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from weaver_sdk.backends.base import Backend, Capabilities, SupportsChatTemplate
from weaver_sdk.backends.chat import ChatBackend
from weaver_sdk.backends.completions import CompletionsBackend
from weaver_sdk.backends.limited import limited
from weaver_sdk.backends.server_backend import ServerBackend
from weaver_sdk.errors import ConfigurationError
from weaver_sdk.markup.prompts import TEMPLATES, render, template_for_model
from weaver_sdk.messages import transcript
from weaver_sdk.runtime.config import Model, Render
from weaver_sdk.session_config import ApiChoice, ModelChoice, SessionConfig
from weaver_sdk.settings import Server, resolve_model, resolve_server


async def open_backend(config: SessionConfig, opened: AsyncExitStack) -> Backend:
    """Return the main backend; what is opened for it is closed with `opened`.

    Raises:
        EngineError: the engine did not start.
        BackendError: the server cannot be reached, or refuses the key.
    """
    if config.backend is not None:
        return config.backend
    if config.engine is not None:
        await opened.enter_async_context(config.engine)
        backend = config.engine.backend(**_options(config))
    else:
        api = "completions" if config.api == "auto" and config.template != "auto" else config.api
        backend = await _discovered(partial(_to_server, config), api)
    opened.push_async_callback(backend.aclose)
    if isinstance(backend, ServerBackend):
        await backend.discover()
    return backend


async def open_further(
    name: str, choice: ModelChoice, config: SessionConfig, main: Backend, opened: AsyncExitStack
) -> Model:
    """Open a further model of `models=`.

    Raises:
        ConfigurationError: only its name is given, and the main model's server is not given by address.
        BackendError: the server cannot be reached, or refuses the key.
    """
    if not isinstance(choice, str | Server):
        return as_model(choice, config, await template_of(choice, config))
    if isinstance(choice, Server):
        backend = await _discovered(partial(_to_other_server, config, choice), "auto")
        opened.push_async_callback(backend.aclose)
        await backend.discover()
        model = as_model(backend, config, await template_of(backend, replace(config, template="auto")))
        return model if choice.prices is None else replace(model, prices=choice.prices)
    if not isinstance(main, ServerBackend) or config.engine is not None:
        raise ConfigurationError(
            f"models={{{name!r}: {choice!r}}}: a name alone means a model on the reasoner's server, "
            "which has only one here; give a Server(…) or a Backend"
        )
    backend = main.for_model(choice)
    return as_model(backend, config, await template_of(backend, config))


def as_model(backend: Backend, config: SessionConfig, template: Render | None) -> Model:
    """Return a backend for use in runs: each request needs a permit, and reports when it is sent."""
    how = template or partial(render, template=TEMPLATES["raw"])
    return Model(backend=limited(backend, config.limits), render=how, prices=config.prices.get(backend.model))


async def template_of(backend: Backend, config: SessionConfig) -> Render | None:
    """Return how a question becomes a prompt; "auto" asks the server first, then goes by the model's name."""
    if backend.capabilities.api == "chat":
        return transcript  # the server applies its own template, and takes more than text
    if callable(config.template):
        return config.template
    if config.template != "auto":
        return partial(render, template=TEMPLATES[config.template])
    if isinstance(backend, SupportsChatTemplate) and (served := await backend.chat_template()) is not None:
        return served
    name = template_for_model(backend.model)
    return partial(render, template=TEMPLATES[name]) if name else None


_MakeBackend = Callable[[type[ServerBackend], str | None, Capabilities | None], ServerBackend]


async def _discovered(make: _MakeBackend, api: ApiChoice) -> ServerBackend:
    """Return a backend for a server's address, for the requested endpoint or else the one that it has."""
    if api == "chat":
        return make(ChatBackend, None, None)
    backend = make(CompletionsBackend, None, None)
    if api == "completions":
        return backend
    try:
        found = await backend.discover()
    except BaseException:
        await backend.aclose()
        raise
    if found.capabilities.api == "completions":
        return backend
    await backend.aclose()
    return make(ChatBackend, backend.model, found.capabilities)


def _to_server(
    config: SessionConfig,
    kind: type[ServerBackend],
    model: str | None = None,
    capabilities: Capabilities | None = None,
) -> ServerBackend:
    """Return a backend for the user's server; what was discovered fills in what was not given."""
    options: dict[str, Any] = {"capabilities": capabilities or config.capabilities, **_options(config)}
    if config.client is not None or (config.http_client is not None and config.base_url is None):
        return kind(
            resolve_model(model or config.model),
            api_key=config.api_key,
            client=config.client,
            http_client=config.http_client,
            **options,
        )
    server = resolve_server(config.base_url, config.api_key, model or config.model)
    return kind(server.model, server.base_url, server.key, http_client=config.http_client, **options)


def _to_other_server(
    config: SessionConfig,
    server: Server,
    kind: type[ServerBackend],
    model: str | None,
    capabilities: Capabilities | None,
) -> ServerBackend:
    """Return a backend for a further model's own server; the environment does not apply to it."""
    return kind(
        model or server.model, server.base_url, server.key, capabilities=capabilities, **_options(config)
    )


def _options(config: SessionConfig) -> dict[str, Any]:
    return {"retries": config.retries, "timeouts": config.timeouts, "max_concurrency": config.limits}
