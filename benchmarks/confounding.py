"""Does training by do() survive a confounder? `python benchmarks/confounding.py` writes confounding.json.

On `signs:0.95` the light's colour tells the class in 95 % of the training pictures, and in the test split the order is
reversed. Each method is trained on these and on pictures without the tie; what it keeps is the accuracy of the first
on the reversed test split over that of the second on a test split without the tie.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from common import RESULTS, environment, write_json

from mechaug.data import DataSet, load
from mechaug.heuristics.augmix import AugMix
from mechaug.heuristics.basic import FlipCrop
from mechaug.keys import Key
from mechaug.mechanisms.base import Mechanism
from mechaug.scenes import library
from mechaug.training import JSD, CrossEntropy, Objective, build, fit, recipes

SCENE = library.relighting()
METHODS: Mapping[str, tuple[str, Mechanism | None, Objective]] = {
    "plain": ("flip and crop", None, CrossEntropy("clean")),
    "augmix": ("AugMix", AugMix(), CrossEntropy("augmented")),
    "augmix-jsd": ("AugMix + JSD", AugMix(), CrossEntropy("clean") + 12 * JSD()),
    "scene": ("the scene, observed", SCENE, CrossEntropy("augmented")),
    "scene-do": (
        "the scene, do(illuminant_mired=(100, 400))",
        SCENE.do(illuminant_mired=(100.0, 400.0)),
        CrossEntropy("augmented"),
    ),
}


def train(data: DataSet, name: str, seed: int, epochs: int) -> tuple[torch.nn.Module, float]:
    """A small net, trained by one method, and the seconds it took."""
    _, augmentation, objective = METHODS[name]
    # Signs have no mirror image: some mean something else then.
    recipe = recipes.signs().replace(epochs=epochs, base=FlipCrop.for_side(32, flip=False))
    net = build(recipe.net, len(data.classes), key=Key(seed).fold("net"))
    start = time.perf_counter()
    fitted = fit(net, data.train, augmentation, objective, recipe, seed=seed)
    net.load_state_dict(fitted.state)
    return net.eval(), time.perf_counter() - start


@torch.no_grad()
def accuracy(net: torch.nn.Module, data: DataSet) -> float:
    """The share of test pictures that are read right."""
    said = torch.cat([net(data.test.image(slice(at, at + 500))).argmax(-1) for at in range(0, len(data.test), 500)])
    return (said == data.test.labels).float().mean().item()


def main() -> None:
    """Train every method with every seed, with and without the tie."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--confounding", type=float, default=0.95)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--train-size", type=int, default=3000)
    parser.add_argument("--test-size", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=RESULTS / "confounding.json")
    given = parser.parse_args()

    sizes = {"train_size": given.train_size, "test_size": given.test_size}
    tied = load(f"signs:{given.confounding}", **sizes)
    free = load("signs", **sizes)
    rows = []
    for name in given.methods:
        runs = []
        for seed in given.seeds:
            confounded, seconds = train(tied, name, seed, given.epochs)
            unconfounded, _ = train(free, name, seed, given.epochs)
            run = {
                "seed": seed,
                "confounded_on_reversed": accuracy(confounded, tied),
                "confounded_on_free": accuracy(confounded, free),
                "unconfounded_on_free": accuracy(unconfounded, free),
                "seconds": seconds,
            }
            runs.append({**run, "kept": run["confounded_on_reversed"] / run["unconfounded_on_free"]})
            print(name, runs[-1], flush=True)
        title = METHODS[name][0]
        means = {key: sum(run[key] for run in runs) / len(runs) for key in runs[0] if key != "seed"}
        rows.append({"name": name, "title": title, "mean": means, "runs": runs})
    record = {
        "question": "accuracy kept where the light's colour is tied to the class in training and reversed in the test",
        "confounding": given.confounding,
        "net": "small",
        "epochs": given.epochs,
        **sizes,
        "environment": environment("cpu", ("torch", "numpy")),
        "methods": rows,
    }
    write_json(given.out, record)


if __name__ == "__main__":
    main()
