"""Our attacks beside torchattacks: the same net, the same pictures, the same settings, two implementations.

    python benchmarks/attacks.py            # needs torchattacks 3.5.1: pip install --no-deps torchattacks==3.5.1

A small net is trained by attacking its own training pictures, so that an accuracy under attack is neither 0 nor 1. Each
attack then runs alone on all test pictures that are right, and the ensemble as a whole. Lower is stronger.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import torch
from common import RESULTS
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mechaug.data.sources import load
from mechaug.evaluation.attacks import Attack, attack_all
from mechaug.evaluation.attacks_auto import auto_attack, standard
from mechaug.evaluation.attacks_pgd import Pgd
from mechaug.evaluation.run import environment
from mechaug.files import write_text
from mechaug.keys import Key
from mechaug.training.nets import build


def train(pixels: Tensor, labels: Tensor, classes: int, epochs: int, epsilon: float, device: str) -> nn.Module:
    net = build("small", classes, key=Key(0)).to(device)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    batches = -(-len(pixels) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.2, epochs * batches, pct_start=0.2)
    attack = Pgd(epsilon, 0.6 * epsilon, steps=2)
    for epoch in range(epochs):
        net.train()
        order, total = Key(0).fold("order").fold(epoch).permutation(len(pixels)), 0.0
        for rows in order.split(128):
            x, y = pixels[rows].to(device).float() / 255, labels[rows].to(device)
            x = attack(net, x, y, Key(1).at(rows.to(device), epoch=epoch))
            loss = cross_entropy(net(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1}: loss under attack {total / len(pixels):.3f}", flush=True)
    return net.eval()


def theirs(
    net: nn.Module, pixels: Tensor, labels: Tensor, attack: Callable[[Tensor, Tensor], Tensor], device: str
) -> Tensor:
    """Which pictures are right, clean and under an attack of torchattacks, in batches of 100."""
    right = []
    for x, y in zip(pixels.split(100), labels.split(100), strict=True):
        x, y = x.to(device).float() / 255, y.to(device)
        with torch.no_grad():
            kept = net(x).argmax(1) == y
        moved = attack(x, y)
        moved = moved.detach()
        with torch.no_grad():
            right.append((kept & (net(moved).argmax(1) == y)).cpu())
    return torch.cat(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="signs")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--epsilon", type=float, default=4.0, help="radius in steps of 8 bits, in training too")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", default=str(RESULTS / "attacks.json"))
    given = parser.parse_args()

    import torchattacks

    data = load(given.data)
    classes, epsilon = len(data.classes), given.epsilon / 255
    net = train(data.train.pixels, data.train.labels, classes, given.epochs, epsilon, given.device)
    test = data.test.take(given.pictures, Key(0))
    targets = min(9, classes - 1)
    peers = {
        "APGD-CE": torchattacks.APGD(net, eps=epsilon, steps=100, loss="ce"),
        "APGD-T": torchattacks.APGDT(net, eps=epsilon, steps=100, n_classes=targets + 1),
        "FAB-T": torchattacks.FAB(
            net, eps=epsilon, steps=100, n_restarts=1, n_classes=targets + 1, multi_targeted=True
        ),
        "Square": torchattacks.Square(net, eps=epsilon, n_queries=5000, n_restarts=1),
    }  # fmt: skip
    rows = []

    def compare(name: str, ours: Callable[[], Tensor], peer: Callable[[Tensor, Tensor], Tensor]) -> None:
        mine = ours()
        other = theirs(net, test.pixels, test.labels, peer, given.device)
        rows.append({
            "attack": name,
            "accuracy": mine.float().mean().item(),
            "torchattacks": other.float().mean().item(),
            "right_only_here": int((mine & ~other).sum()),
            "right_only_there": int((other & ~mine).sum()),
        })  # fmt: skip
        print(rows[-1], flush=True)

    def alone(attack: Attack) -> Tensor:
        return attack_all(
            net, test.pixels, test.labels, test.index, Key(0), [attack], batch_size=100, device=given.device
        ).correct

    clean = alone(Pgd(epsilon=0.0, steps=0)).float().mean().item()
    for attack in standard(epsilon, targets=targets):
        compare(attack.name, lambda attack=attack: alone(attack), peers[attack.name])
    cautions = []

    def ensemble() -> Tensor:
        found = auto_attack(
            net, test.pixels, test.labels, test.index, Key(0), standard(epsilon, targets=targets),
            batch_size=100, device=given.device,
        )  # fmt: skip
        cautions.extend(caution.sentence for caution in found.cautions)
        return found.attacked.correct

    peer = torchattacks.AutoAttack(net, eps=epsilon, version="standard", n_classes=targets + 1)
    compare("AutoAttack standard", ensemble, peer)
    result = {
        "command": f"python benchmarks/attacks.py --data {given.data} --epochs {given.epochs} "
        f"--pictures {given.pictures} --epsilon {given.epsilon:g} --device {given.device}",
        "data": given.data, "net": "small", "classes": classes, "pictures": len(test), "epsilon": epsilon,
        "clean": clean, "peer": f"torchattacks {torchattacks.__version__}",
        "cautions": cautions,
        "attacks": rows,
        "environment": dataclasses.asdict(environment(given.device)),
    }  # fmt: skip
    write_text(Path(given.out), json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
