"""How far must one see? Gradient ascent on a visibility in metres, inside the bounds in which the label survives.

Run `mechaug train` first, then `python examples/01_worst_haze.py runs/train`. Because every mechanism is
differentiable in its parameters, the hardest weather for a model is found in the weather's own units.
"""

import sys
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from mechaug import Key, data
from mechaug import mechanisms as m
from mechaug.job import restore_net


def main(folder: Path) -> None:
    """Print accuracy in clear air, in random haze and in the haze that the model likes least."""
    net, _ = restore_net(folder / "model.safetensors")
    net.eval()
    test = data.load("signs", train_size=0, test_size=500).test
    pictures, labels = test.image(slice(None)), test.labels

    haze = m.Haze(visibility_m=(100.0, 1000.0), distance_m=25.0)
    params = haze.sample(Key(seed=0).at(test.index))
    log_visibility = params.visibility_m.log().requires_grad_()
    for _ in range(10):
        hazy = haze.apply(pictures, params.replace(visibility_m=log_visibility.exp()))
        (slope,) = torch.autograd.grad(cross_entropy(net(hazy), labels, reduction="sum"), log_visibility)
        log_visibility = (log_visibility + 0.25 * slope.sign()).detach().clamp(4.605, 6.908).requires_grad_()
    worst = params.replace(visibility_m=log_visibility.detach().exp())

    for name, seen in (
        ("clear air", pictures),
        ("haze, 100 to 1,000 m", haze.apply(pictures, params)),
        ("the worst of it", haze.apply(pictures, worst)),
    ):
        with torch.no_grad():
            accuracy = (net(seen).argmax(-1) == labels).float().mean().item()
        print(f"{name:>22}: {accuracy:.1%}")
    print(f"median worst visibility: {worst.visibility_m.median():.0f} m")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/train"))
