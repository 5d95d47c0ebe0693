"""Loss curves as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

SMOOTHING = 15  # points of the log that one point of the picture averages


def draw(logs: Sequence[Path], picture: Path, names: Sequence[str] = ("weaver-nano",)) -> None:
    """Draws the `loss.jsonl` of each run, smoothed, against its steps; the suffix decides the format."""
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for log, name in zip(logs, names, strict=True):
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        points = [rows[i : i + SMOOTHING] for i in range(0, len(rows), SMOOTHING)]
        steps = [part[-1]["step"] for part in points]
        losses = [sum(row["loss"] for row in part) / len(part) for part in points]
        axes.plot(steps, losses, label=name)
    axes.set(xlabel="step", ylabel="loss (nats a learned token)", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture)
    pyplot.close(figure)
