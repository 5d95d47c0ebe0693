"""Scripted models and servers, for our tests and for yours.

| I want to | use |
| --- | --- |
| answer from a table, with no network | `ScriptedBackend` |
| talk to a real HTTP server that acts as a fork/join model at a given pace | `ScriptedServer` |
| have it serve chat completions, with or without prefill | `Chat` |
| have it fail, hang, or stream in the odd ways of real servers | `Behaviour` |
| run it in its own process | `spawned_server` |
| time forks and joins of a given shape on a real server | `ShapedBackend` |
| write down what a model would write | `Script`, `ScriptedTrajectory`, `ScriptedBlock`, `fork_join_script` |
"""

from weaver_sdk.testing.backend import Reply, ScriptedBackend
from weaver_sdk.testing.behaviour import Behaviour
from weaver_sdk.testing.chat import Chat
from weaver_sdk.testing.connection import Received
from weaver_sdk.testing.process import SpawnedServer, spawned_server
from weaver_sdk.testing.script import Script, ScriptedBlock, ScriptedTrajectory, fork_join_script, pieces
from weaver_sdk.testing.server import ScriptedServer
from weaver_sdk.testing.shaped import Shape, ShapedBackend

__all__ = [
    "Behaviour",
    "Chat",
    "Received",
    "Reply",
    "Script",
    "ScriptedBackend",
    "ScriptedBlock",
    "ScriptedServer",
    "ScriptedTrajectory",
    "Shape",
    "ShapedBackend",
    "SpawnedServer",
    "fork_join_script",
    "pieces",
    "spawned_server",
]
