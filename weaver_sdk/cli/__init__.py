"""The command line: `weaver solve`, `weaver chat`, `weaver trace show`, …"""

from __future__ import annotations


def main() -> None:
    """Run the command line; the console script `weaver`."""
    from weaver_sdk.cli.app import run

    run()
