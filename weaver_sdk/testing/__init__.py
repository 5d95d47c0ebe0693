"""Scripted models and servers, for our tests and for yours.

| I want to | use |
| --- | --- |
| answer from a table, with no network | `ScriptedBackend` |
| talk to a real HTTP server that plays a fork/join model at a set pace | `ScriptedServer` |
| have one that chats, with or without a prefill | `Chat` |
| have one that fails, hangs, or speaks oddly | `Behaviour` |
| have it in a process of its own | `spawned_server` |
| time forks and joins on a real server, in a shape of my own | `ShapedBackend` |
| describe whole trajectories of a model | `Script`, `fork_join_script` |
"""

from weaver_sdk.testing.backend import Reply, ScriptedBackend
from weaver_sdk.testing.behaviour import Behaviour
from weaver_sdk.testing.chat import Chat
from weaver_sdk.testing.connection import Received
from weaver_sdk.testing.process import SpawnedServer, spawned_server
from weaver_sdk.testing.script import Block, Script, Trajectory, fork_join_script, pieces
from weaver_sdk.testing.server import ScriptedServer
from weaver_sdk.testing.shaped import Shape, ShapedBackend

__all__ = [
    "Behaviour",
    "Block",
    "Chat",
    "Received",
    "Reply",
    "Script",
    "ScriptedBackend",
    "ScriptedServer",
    "Shape",
    "ShapedBackend",
    "SpawnedServer",
    "Trajectory",
    "fork_join_script",
    "pieces",
    "spawned_server",
]
