"""The robustness table from the folders that `./palimpsest eval` wrote, one for each degradation, as Markdown:

    for d in none jpeg90 jpeg70 jpeg50 resize0.7 resize0.5 blur1 noise5 social; do
      ./palimpsest eval --data DATA --where split=val --out runs/robust/$d $([ $d = none ] || echo --degrade $d); done
    python3 training/eval_table.py runs/robust

Every figure is that of metrics.json: pixel F1@0.5 and the best threshold's on forged pictures with a mask, image AUC, and the share called likely fake or uncertain.
"""
import argparse
import json
import os

ORDER = ("none", "jpeg90", "social", "jpeg70", "jpeg50", "resize0.7", "resize0.5", "blur1", "noise5")


def show(value, digits=3):
    return "–" if value is None else f"{value:.{digits}f}".removeprefix("0") if value < 1 else "1"


def cell(m):
    """One data set under one degradation: what can be said of it depends on which classes it has."""
    counts, verdicts = m["counts"], m["verdicts"]
    n = counts["authentic"] + counts["forged"]
    fake, unsure = (f"{100 * verdicts[k] / n:.0f} %" for k in ("likely_fake", "uncertain"))
    said = f"fake {fake}, unsure {unsure}"
    if counts["forged_with_mask"]:
        said = f"F1 {show(m['pixel']['f1_at_0_5'])} / {show(m['pixel']['f1_best'])}, " + said
    return (f"AUC {show(m['image']['auc'])}, " if counts["authentic"] and counts["forged"] else "") + said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    folder = parser.parse_args().folder
    found = {}
    for name in sorted(os.listdir(folder), key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER)):
        path = os.path.join(folder, name, "metrics.json")
        if os.path.exists(path):
            with open(path) as file:
                found[name] = json.load(file)
    sets = sorted({s for m in found.values() for s in m["datasets"]})
    print("| | " + " | ".join(sets) + " | all |\n|" + "---|" * (len(sets) + 2))
    for name, m in found.items():
        print(f"| {name} | " + " | ".join(cell(m["datasets"][s]) if s in m["datasets"] else "–" for s in sets) + f" | {cell(m['all'])} |")


if __name__ == "__main__":
    main()
