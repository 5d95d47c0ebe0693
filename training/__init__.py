"""Training of small fork/join models: tasks, token tries, supervised and reinforcement stages, export.

Needs the extra `train`; nothing else in the package imports it.
"""
