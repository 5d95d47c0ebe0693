"""Text to structure and back: dialects, tags in a stream, outlines, stitching, answers, prompts.

It is pure: no clock, no I/O, no asyncio, and it knows no server.
"""

from weaver_sdk.markup.answer import extract_answer
from weaver_sdk.markup.boxes import has_box, last_box
from weaver_sdk.markup.dialect import (
    DIALECTS,
    MULTIVERSE,
    NPR,
    THREADWEAVER,
    THREADWEAVER_LEGACY,
    Dialect,
    TagName,
    TagPair,
)
from weaver_sdk.markup.outlines import Outline, OutlineList, read_outlines
from weaver_sdk.markup.parser import parse
from weaver_sdk.markup.prompts import (
    TEMPLATES,
    Template,
    build_problem_messages,
    render,
    template_for_model,
)
from weaver_sdk.markup.scanner import Scanner, Tag, Text, Token, has_escaped_tags, scan
from weaver_sdk.markup.stitching import (
    around_threads,
    close_block,
    close_think,
    end_thread,
    fill_seed,
    join_threads,
    thread_prefix,
)
from weaver_sdk.markup.trajectory import Block, BlockThread, Part, Trajectory
from weaver_sdk.markup.well_formed import check_well_formed, is_well_formed
from weaver_sdk.messages import Messages

__all__ = [
    "DIALECTS",
    "MULTIVERSE",
    "NPR",
    "TEMPLATES",
    "THREADWEAVER",
    "THREADWEAVER_LEGACY",
    "Block",
    "BlockThread",
    "Dialect",
    "Messages",
    "Outline",
    "OutlineList",
    "Part",
    "Scanner",
    "Tag",
    "TagName",
    "TagPair",
    "Template",
    "Text",
    "Token",
    "Trajectory",
    "around_threads",
    "build_problem_messages",
    "check_well_formed",
    "close_block",
    "close_think",
    "end_thread",
    "extract_answer",
    "fill_seed",
    "has_box",
    "has_escaped_tags",
    "is_well_formed",
    "join_threads",
    "last_box",
    "parse",
    "read_outlines",
    "render",
    "scan",
    "template_for_model",
    "thread_prefix",
]
