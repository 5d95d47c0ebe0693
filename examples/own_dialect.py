"""A markup of your own as data: the tags of a model family, and a run in them. Needs no model."""

import asyncio

from weaver_sdk import Dialect, ParallelReasoner
from weaver_sdk.testing import Script, ScriptedBackend, ScriptedBlock, ScriptedTrajectory

LOOM = Dialect(
    name="loom",
    block=("<split>", "</split>"),
    outlines=("<tasks>", "</tasks>"),
    outline=("<task>", "</task>"),
    thread=("<work>", "</work>"),
    conclusion=("<merge>", "</merge>"),
    seed="<work>\n{label}:",
    after_threads="\n<merge>\n",
    instruction=" Split the work where you can.",
)

# what a model of this family would write; the text behind the block begins where the join has ended
SUMS = ScriptedTrajectory(
    "What are 2+3 and 4+5?",
    (
        "<think>\nTwo sums.\n<split>\n<tasks>\n<task>1: 2+3</task>\n<task>2: 4+5</task>\n</tasks>",
        ScriptedBlock((" 2+3 = 5\n", " 4+5 = 9\n")),
        "5 and 9.\n</merge>\n</split>\n</think>\n\\boxed{5 and 9}",
    ),
)


async def main() -> None:
    backend = ScriptedBackend(Script((SUMS,), LOOM))
    async with ParallelReasoner(backend=backend, dialect=LOOM, template="raw") as reasoner:
        result = await reasoner.solve(SUMS.problem)
    print(result.text)
    print(f"answer {result.answer}, threads {result.telemetry.threads}, well-formed {result.well_formed}")


asyncio.run(main())
