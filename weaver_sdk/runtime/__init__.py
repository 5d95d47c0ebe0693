"""The state machine: decode, fork, join. The one room where markup and backends meet.

`run.py` is the machine, `completion.py` one completion of it, `lines.py` what is written down while it runs,
`ledger.py` what may still be spent, `rules.py` which tag ends what, `stream.py` a run that is watched.
"""
