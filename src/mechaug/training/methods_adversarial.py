"""The published ways of adversarial training as methods, with their own settings."""

from typing import Final

from mechaug.heuristics.views import Augmentation
from mechaug.training.adversarial import PixelAdversary
from mechaug.training.consistency import KL, MART
from mechaug.training.free import FreeAdversary
from mechaug.training.guard import FastOverfitting
from mechaug.training.layers import LayerAdversary
from mechaug.training.method import Method
from mechaug.training.objectives import CrossEntropy, Objective
from mechaug.training.steps import NOTHING, Extras
from mechaug.training.weights import AdversarialWeights

TRADES: Final = CrossEntropy("clean") + 6 * KL(views=1, stop_gradient=False)


def _adversarial(
    name: str, title: str, what: str, augmentation: Augmentation, objective: Objective, extras: Extras = NOTHING
) -> Method:
    return Method(name, title, "adversarial", what, True, augmentation, objective, extras)


ADVERSARIAL: Final[tuple[Method, ...]] = (
    _adversarial(
        "pgd-at", "PGD-AT", "Cross-entropy on pictures that ten steps of PGD moved within 8/255 (Madry et al., ICLR "
        "2018); eleven times the passes of plain training.", PixelAdversary(), CrossEntropy("augmented")
    ),
    _adversarial(
        "trades", "TRADES", "Cross-entropy on the clean picture and 6 × the divergence from it of what the net says of "
        "an attacked one (Zhang et al., ICML 2019).", PixelAdversary.trades(), TRADES
    ),
    _adversarial(
        "mart", "MART", "Boosted cross-entropy on the attacked picture, and a divergence that counts where the clean "
        "one is doubtful (Wang et al., ICLR 2020).", PixelAdversary(start="normal"), MART()
    ),
    _adversarial(
        "fgsm-rs", "FGSM-RS", "Cross-entropy on pictures that one long step from a uniform start moved; it ends, with "
        "the epoch before, when it overfits catastrophically (Wong et al., ICLR 2020).", PixelAdversary.fast(),
        CrossEntropy("augmented"), Extras(guard=FastOverfitting())
    ),
    _adversarial(
        "free-at", "Free AT", "Every batch eight times in a row, each with the gradient that the last step left at its "
        "pictures; no pass more than plain training (Shafahi et al., NeurIPS 2019).", FreeAdversary(),
        CrossEntropy("augmented")
    ),
    _adversarial(
        "trades-awp", "TRADES + AWP", "TRADES with its gradient taken at the worst weights within 0.5 % of their "
        "length (Wu et al., NeurIPS 2020).", PixelAdversary.trades(), TRADES, Extras(weights=AdversarialWeights(5e-3))
    ),
    _adversarial(
        "advprop", "AdvProp", "Cross-entropy on the clean picture and on one that five steps of PGD moved within "
        "4/255, each with batch norms of its own (Xie et al., CVPR 2020).",
        PixelAdversary(radius=4 / 255, step=1 / 255, steps=5), CrossEntropy("all"), Extras(two_norms=True)
    ),
    _adversarial(
        "rlat", "RLAT", "Cross-entropy on pictures moved by one step in the picture and in the features of every stage "
        "(Kireev et al., UAI 2022).", LayerAdversary(), CrossEntropy("augmented")
    ),
)  # fmt: skip
"""Each with the figures of its paper for CIFAR-10."""
