"""The child process of a llama.cpp server; `LlamaServer` runs this file as a script.

It takes one argument, a JSON object of settings, and prints the server's address as one line on standard
output. It then serves until its standard input ends, which happens when its parent closes the pipe or dies
for any reason. It imports nothing of weaver_sdk, so that it starts fast and from any folder.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from typing import Any, NoReturn


def serve(settings: dict[str, Any]) -> NoReturn:
    """Serve the model until the parent is gone; then remove the working directory and exit."""
    parent = os.getppid()
    report = os.dup(1)
    os.dup2(2, 1)  # llama.cpp's output goes to the log, whichever stream it uses
    hung_up = threading.Event()
    threading.Thread(target=_wait_for_end_of_input, args=(hung_up,), daemon=True).start()

    # Loading holds the GIL, so the death of the parent is noticed only after it.
    try:
        server = _start(settings)
    except RuntimeError:  # llama.cpp logs the reason
        _let_log_catch_up()
        sys.exit(1)
    with suppress(BrokenPipeError):
        os.write(report, f"{server.listening_address}\n".encode())
    os.close(report)

    # Another child of the parent may keep the pipe open after its death: so check the parent's pid, too.
    while not hung_up.wait(timeout=1.0) and os.getppid() == parent:
        pass
    shutil.rmtree(settings["directory"], ignore_errors=True)
    os._exit(0)


def _let_log_catch_up() -> None:
    """Wait until the log grows no more, a second at most: a thread writes it, and ends with the process."""
    size = -1
    for _ in range(20):
        if 0 < (now := os.fstat(2).st_size) == size:
            return
        size = now
        time.sleep(0.05)


def _wait_for_end_of_input(hung_up: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    hung_up.set()


def _start(settings: dict[str, Any]) -> Any:
    xllamacpp = importlib.import_module("xllamacpp")  # untyped package
    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {settings["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = settings["port"]
    params.cors_origins = "http://127.0.0.1"  # the default lets any web page call the server
    params.ui = False
    params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = True

    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context_tokens"]
    params.kv_unified = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]

    # Slots are filled by saving one and restoring it into others. The server's own cache of idle slots would
    # evict that context.
    params.slot_save_path = os.path.join(settings["directory"], "slots", "")
    params.cache_idle_slots = False
    params.cache_ram_mib = 0
    params.slot_prompt_similarity = 0.0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
