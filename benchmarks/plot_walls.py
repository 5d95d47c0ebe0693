"""A picture of what `forks_and_joins.py` measured: wall clock in both modes by the number of threads.

    python benchmarks/plot_walls.py docs/assets/walls.svg VLLM.json LLAMA.json

Needs matplotlib (extra `train`).
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

STYLES = {"sequential": "--", "parallel": "-"}
NAMES = {"vllm": "vLLM", "llama": "embedded engine", "server": "server"}


def main(picture: str, *files: str) -> None:
    """Draw medians, with the least and the most of each as a bar."""
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for colour, file in enumerate(files):
        told = json.loads(Path(file).read_text())
        for mode, style in STYLES.items():
            rows = [row for row in told["walls"] if row["way"] == mode]
            widths = sorted({row["threads"] for row in rows})
            walls = [[row["wall"] for row in rows if row["threads"] == width] for width in widths]
            middle = [statistics.median(of) for of in walls]
            spread = [
                [m - min(of) for m, of in zip(middle, walls, strict=True)],
                [max(of) - m for m, of in zip(middle, walls, strict=True)],
            ]
            label = f"{NAMES[told['engine']]}, {mode}"
            axes.errorbar(
                widths,
                middle,
                spread,
                label=label,
                linestyle=style,
                color=f"C{colour}",
                marker="o",
                capsize=3,
            )
    axes.set(xlabel="threads", ylabel="seconds", xscale="log")
    axes.set_ylim(bottom=0)
    axes.set_xticks(widths, map(str, widths))
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
