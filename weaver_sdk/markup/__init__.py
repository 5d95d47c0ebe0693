"""Text to structure and back: dialects, tags in a stream, outlines, stitching.

It is pure: no clock, no I/O, no asyncio, and it knows no server.
"""

from weaver_sdk.markup.dialect import DIALECTS, THREADWEAVER, Dialect, TagName, TagPair
from weaver_sdk.markup.outlines import Outline, OutlineList, read_outlines
from weaver_sdk.markup.scanner import Scanner, Tag, Text, Token, has_escaped_tags, scan
from weaver_sdk.markup.stitching import (
    close_block,
    close_think,
    end_thread,
    fill_seed,
    join_threads,
    thread_prefix,
)

__all__ = [
    "DIALECTS",
    "THREADWEAVER",
    "Dialect",
    "Outline",
    "OutlineList",
    "Scanner",
    "Tag",
    "TagName",
    "TagPair",
    "Text",
    "Token",
    "close_block",
    "close_think",
    "end_thread",
    "fill_seed",
    "has_escaped_tags",
    "join_threads",
    "read_outlines",
    "scan",
    "thread_prefix",
]
