"""Whether a planner divides what should be divided: 24 further questions, of which no example was shaped.

    python -m benchmarks.answers.decisions --base-url http://HOST:8000/v1 --model NAME

The examples of `planned` were shaped while looking at the plans of the 36 questions of this benchmark; these
were written afterwards and are asked as they are. Each names how many parts a plan should have; 0 for none.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from weaver_sdk import ParallelReasoner, PlannedStrategy, Sampling, Scope
from weaver_sdk.strategies.plan import plan_schema, plan_turns, read_plan

QUESTIONS = (
    (3, "Compare gas, induction and ceramic hobs for a rented flat."),
    (4, "Describe spring, summer, autumn and winter in Norway for a travel leaflet."),
    (3, "Write three birthday wishes: for a grandmother, for a boss and for a five-year-old."),
    (2, "Give arguments for and against a four-day week."),
    (5, "Suggest five names for a bookshop and explain each in two sentences."),
    (3, "Write a C function for each of these: factorial, greatest common divisor, string length."),
    (4, "Write user stories for sign-up, login, password reset and account deletion."),
    (3, "Plan a three-week reading programme on ancient Greece, week by week."),
    (2, "Write a cover letter for a gardener and one for a librarian."),
    (3, "Explain TCP, UDP and QUIC to a beginner, a paragraph for each."),
    (4, "Return a JSON array of four invented pets, each with name, species and habit. JSON alone."),
    (3, "Summarise the plots of Hamlet, Macbeth and King Lear."),
    (0, "Who painted the Mona Lisa?"),
    (0, "Translate into Spanish: Where is the nearest pharmacy?"),
    (0, "Write a regular expression for German postcodes."),
    (0, "Tell me a joke about a snail."),
    (0, "How many minutes are there in a leap year?"),
    (0, "Write a Python one-liner that flattens a list of lists."),
    (0, "Prove that there are infinitely many primes."),
    (0, "Rewrite this in the past tense: She runs to the station and misses her train."),
    (0, "A shirt costs 40 euros after a discount of 20%. What did it cost before?"),
    (0, "What does the command `chmod 644 file` do?"),
    (0, "Continue this story in one paragraph: The lift stopped between two floors, and the light went out."),
    (0, "Explain recursion in three sentences."),
)


async def plan(scope: Scope) -> None:
    """Ask for a plan and nothing else."""
    strategy = PlannedStrategy()
    await scope.ask(
        plan_turns(scope.messages, strategy.examples),
        schema=plan_schema(strategy.max_parts),
        max_tokens=strategy.plan_tokens,
    )


async def main() -> None:
    """Ask for all plans, and print how many have the parts that they should have."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model")
    given = parser.parse_args()
    to = {"base_url": given.base_url, "api_key": os.environ.get("OPENAI_API_KEY")}
    asked = [question for _, question in QUESTIONS]
    divided, same, tokens = 0, 0, 0
    async with ParallelReasoner(given.model, **to, sampling=Sampling(temperature=0.0)) as reasoner:
        async for result in reasoner.solve_many(asked, strategy=plan, concurrency=4):
            wanted, question = QUESTIONS[result.index or 0]
            found = read_plan(result.answer or "")
            titles = [part.title for part in found.parts] if found and len(found.parts) > 1 else []
            divided += bool(titles) == bool(wanted)
            same += len(titles) == wanted
            tokens += result.telemetry.total_tokens
            print(f"{len(titles)} of {wanted}  {question}  {titles or ''}")
    print(f"\n{divided} of {len(QUESTIONS)} divided or left whole as they should be, {same} with that many")
    print(f"parts; {tokens / len(QUESTIONS):.0f} tokens a plan")


if __name__ == "__main__":
    asyncio.run(main())
