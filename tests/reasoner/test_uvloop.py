"""The loop of `uvicorn[standard]`: whole runs over our own connections."""

import uvloop

from weaver_sdk import ParallelReasoner, Result
from weaver_sdk.testing import fork_join_script, spawned_server

SCRIPT = fork_join_script(2)


async def solved(base_url: str) -> list[Result]:
    async with ParallelReasoner(base_url=base_url) as reasoner:
        problems = [trajectory.problem for trajectory in SCRIPT.trajectories]
        return [result async for result in reasoner.solve_many(problems)]


def test_a_run_goes_as_it_does_on_asyncios_own_loop() -> None:
    with spawned_server(SCRIPT) as server:
        results = uvloop.run(solved(server.base_url))
        by_name = uvloop.run(solved(server.base_url.replace("127.0.0.1", "localhost")))
    assert sorted(str(result.answer) for result in results) == ["0", "1"]
    assert sorted(str(result.answer) for result in by_name) == ["0", "1"]
    assert all(result.telemetry.threads == 3 for result in results)
