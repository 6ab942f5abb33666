"""What if the light tells the class? Train by do() on the cause that is tied to the label.

Run `python examples/02_confounded_light.py`: about a minute. In the training pictures of `signs:0.95` each class has a
light of its own; in the test pictures the order is reversed. The scene says where the light's colour comes from;
`do(illuminant_mired=…)` cuts it off from all of that, so that nothing is left to tell the class by.
"""

import torch

from mechaug import Key, data, scenes
from mechaug.heuristics.augmix import AugMix
from mechaug.training import CrossEntropy, build, fit, recipes


def main() -> None:
    """Print what each training reads of test pictures in which the light misleads."""
    tied = data.load("signs:0.95", train_size=3000, test_size=1000)
    scene = scenes.library.relighting()
    cut = scene.do(illuminant_mired=(100.0, 400.0))

    for name, augmentation, objective in (
        ("as it is", None, CrossEntropy("clean")),
        ("AugMix", AugMix(), CrossEntropy("augmented")),
        ("do(illuminant_mired)", cut, CrossEntropy("augmented")),
    ):
        net = build("small", len(tied.classes), key=Key(0))
        net.load_state_dict(fit(net, tied.train, augmentation, objective, recipes.signs()).state)
        with torch.no_grad():
            said = net.eval()(tied.test.image(slice(None))).argmax(-1)
        print(f"{name:>22}: {(said == tied.test.labels).float().mean().item():.1%}")

    # Twins: the first picture, had its light been blue or orange; every other draw is the same.
    key, picture = Key(seed=0).at([0]), tied.test.image(slice(1))
    for mired in (110.0, 390.0):
        red, _, blue = scene.do(illuminant_mired=mired)(picture, key)[0].mean((1, 2)).tolist()
        print(f"  under {mired:.0f} mired, red over blue is {red / blue:.2f}")


if __name__ == "__main__":
    main()
