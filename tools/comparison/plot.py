"""The plot of detection probability against bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.comparison.detection import BIASES

if TYPE_CHECKING:
    from pathlib import Path

    from tools.rivals.rule import Rule

FINE = np.geomspace(BIASES[0], BIASES[-1], 141)
DIRECTIONS = {1: "keeps too often", -1: "drops too often"}
OURS = {"quick": ":", "standard": "-", "thorough": "--"}


def draw(file: Path, rules: tuple[Rule, ...], curves: dict[str, dict[int, list[float]]]) -> None:
    """Write the plot; the same figures give the same bytes.

    Args:
        file: Where to; its suffix is the format.
        rules: Rules of others; those without a statistical assertion are left out.
        curves: This suite's own detection probabilities, by effort and direction.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "droppath-audit", "svg.fonttype": "path", "font.size": 9})
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    colours = plt.get_cmap("tab10").colors
    for panel, (sign, title) in zip(panels, DIRECTIONS.items(), strict=True):
        for effort, style in OURS.items():
            if effort in curves:
                panel.plot(BIASES, curves[effort][sign], style, color="black", lw=2.2, label=f"this suite, {effort}")
        for index, rule in enumerate(rule for rule in rules if rule.windows):
            power = [rule.power(sign * float(bias)) for bias in FINE]
            panel.plot(FINE, power, color=colours[index % 10], lw=1.4, label=rule.name)
        panel.axhline(0.9, color="grey", lw=0.6, ls=(0, (1, 3)))
        panel.set(xscale="log", xlim=(BIASES[0], BIASES[-1]), ylim=(-0.02, 1.02), title=title)
        panel.set_xlabel("bias of the keep probability")
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("probability of being rejected")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else {}, dpi=110)
    plt.close(figure)
