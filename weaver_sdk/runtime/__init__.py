"""One run: the program of a strategy, held to its budget and written down. Knows no markup and no server.

`run.py` runs the program and makes the result; `scope.py` is what it holds; `forks.py` and `threads.py`
are threads at once; `asking.py` and `reader.py` are one completion; `lines.py` is what is written down;
`ledger.py` is what may still be spent; `stream.py` is a run that is watched.
"""
