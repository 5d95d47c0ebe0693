"""Strategies: programs on a `Scope` that bring a model to an answer.

`native.py` runs the markup of a trained model; `prompted.py` shows it to an untrained one; `planned.py` asks
for a plan, its parts and a join. `choose.py` finds the one that fits a model. `voting.py`, `best_of.py` and
`plan_and_solve.py` are methods of the field, each in a few lines.
"""
