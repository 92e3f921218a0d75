"""AUC against parameter count of everything trained, one panel per task, from results.json.

    python3 training/plot_auc.py docs/figures/auc-parameters.png
"""
import json, os, sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main():
    rows = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "results.json")))
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    figure, panels = plt.subplots(1, len(tasks), figsize=(3.4 * len(tasks), 3.2), sharey=True)
    for panel, task in zip(panels, tasks):
        for r in (r for r in rows if r["task"] == task):
            shipped = "shipped" in r["model"]
            panel.scatter(r["parameters"], r["auc"], s=46, color="#0b6e4f" if shipped else "#8a94a6", zorder=3)
            panel.annotate(r["model"].replace(", ", "\n", 1), (r["parameters"], r["auc"]), xytext=(6, 16) if r["parameters"] < 5e4 else (-6, -8), textcoords="offset points",
                           fontsize=7, ha="left" if r["parameters"] < 5e4 else "right", va="top")
        panel.axhline(0.5, color="#c4c9d4", lw=0.8, ls=":")
        panel.set(xscale="log", xlim=(2e3, 6e6), ylim=(0.45, 1.02), title=task, xlabel="parameters")
        panel.title.set_fontsize(9); panel.grid(alpha=0.25)
    panels[0].set_ylabel("image AUC, split=val")
    figure.tight_layout()
    figure.savefig(sys.argv[1], dpi=110)


if __name__ == "__main__":
    main()
