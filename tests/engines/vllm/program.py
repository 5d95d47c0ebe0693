"""A program that behaves like `vllm serve`, as the scenario says that is its first argument.

It logs, takes its time, has processes that begin groups of their own and do not listen, leaves files behind
when it is killed, and dies in the ways that vLLM dies.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SCENARIO = json.loads(sys.argv[1])
"""`log`: lines to write first; `exit` or `signal`: how to end then; `pause`: seconds before it serves;
`completions`: status that a completion is answered with; `stubborn`: SIGTERM is not listened to; `die`: the
first completion ends it; `processes`: a file for the ids of all its processes."""

ARGUMENTS = sys.argv[2:]


def value(flag: str) -> str:
    return ARGUMENTS[ARGUMENTS.index(flag) + 1]


GRANDCHILD = """
import mmap, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
file = os.open(f"/dev/shm/psm_scripted_{os.getpid()}", os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 4096)
held = mmap.mmap(file, 4096)
os.close(file)
if len(sys.argv) > 2:
    import subprocess
    subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], start_new_session=True)
with open(sys.argv[1], "a") as ids:
    print(os.getpid(), file=ids)
time.sleep(600)
"""


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {})
        else:
            model = {"id": value("--served-model-name"), "max_model_len": 4096}
            self.answer(200 if self.may() else 401, {"data": [model]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if SCENARIO.get("die"):
            print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", flush=True)
            os._exit(1)
        status = SCENARIO.get("completions", 200) if self.may() else 401
        self.answer(status, {"choices": [{"text": "x"}]} if status == 200 else {"error": "EngineDeadError"})

    def may(self) -> bool:
        return self.headers["authorization"] == f"Bearer {os.environ['VLLM_API_KEY']}"

    def answer(self, status: int, body: object) -> None:
        told = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *arguments: object) -> None:
        print("INFO:", format % arguments, flush=True)


def main() -> None:
    if SCENARIO.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(os.environ["TMPDIR"], "left").write_text("a file")
    if "processes" in SCENARIO:
        file = SCENARIO["processes"]
        subprocess.Popen([sys.executable, "-c", GRANDCHILD, file, GRANDCHILD], start_new_session=True)
        while not Path(file).exists() or len(Path(file).read_text().splitlines()) < 2:
            time.sleep(0.01)
        with open(file, "a") as ids:
            print(os.getpid(), file=ids)
    for line in SCENARIO.get("log", ()):
        print(line, flush=True)
    if "signal" in SCENARIO:
        os.kill(os.getpid(), SCENARIO["signal"])
    if "exit" in SCENARIO:
        sys.exit(SCENARIO["exit"])
    time.sleep(SCENARIO.get("pause", 0.0))
    # bound as vLLM binds it
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((value("--host"), int(value("--port"))))
    server = ThreadingHTTPServer((value("--host"), 0), Server, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_activate()
    print("(APIServer pid=1) INFO 11-23 14:49:22 [launcher.py:140] Starting vLLM server", flush=True)
    server.serve_forever()


main()
