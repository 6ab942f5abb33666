"""Games: the learner against nature, who picks the mechanism that hurts most.

In each round nature plays a mixed strategy q over K options (mechanisms), the learner descends the loss under it, and
each option pays nature its excess risk: what it costs beyond the clean picture. Nature's rules here have regret bounds,
so that the average of what both played comes near to an equilibrium (Freund & Schapire, "Adaptive game playing using
multiplicative weights", 1999): the net is as good as it can be against the worst mixture of mechanisms.

A player is a rule without state; what it remembers is a `Play`, a record of tensors that a checkpoint keeps.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mechaug.keys import Key


@final
@dataclass(frozen=True)
class Play:
    """What nature remembers.

    Attributes:
        score: of each option, float64: sums or means of payoffs, as the player's rule wants them.
        played: the sum of the strategies of all rounds, float64.
        rounds: how many rounds were played.
    """

    score: Float64[Tensor, "k"]
    played: Float64[Tensor, "k"]
    rounds: int

    @classmethod
    def start(cls, options: int) -> "Play":
        """Before the first round.

        Raises:
            ValueError: there is no option.
        """
        if options < 1:
            raise ValueError(f"a game needs at least one option, not {options}")
        zero = torch.zeros(options, dtype=torch.float64)
        return cls(zero, zero, 0)

    @property
    def average(self) -> Float64[Tensor, "k"]:
        """The mean of the strategies played so far: what the regret bounds speak of; even before the first round."""
        return self.played / self.rounds if self.rounds else torch.full_like(self.played, 1 / len(self.played))


@dataclass(frozen=True)
class Observed:
    """What one round paid.

    Attributes:
        payoff: mean payoff of the pictures that got each option, 0 to 1; any number where none did.
        share: of the batch's pictures that got each option; 0 where none did. They sum to 1.
    """

    payoff: Float[Tensor, "k"]
    share: Float[Tensor, "k"]


class Player(ABC):
    """A rule by which nature plays; a subclass is a frozen dataclass, and final."""

    @abstractmethod
    def strategy(self, play: Play) -> Float64[Tensor, "k"]:
        """The probabilities of the options in the next round; they sum to 1."""

    @abstractmethod
    def learn(self, play: Play, observed: Observed) -> Float64[Tensor, "k"]:
        """The new score of each option."""

    @final
    def update(self, play: Play, observed: Observed) -> Play:
        """The play after a round."""
        return Play(self.learn(play, observed), play.played + self.strategy(play), play.rounds + 1)


@final
@dataclass(frozen=True)
class Hedge(Player):
    """Multiplicative weights: q_k ∝ exp(η · Σ payoff_k) (Freund & Schapire, JCSS 1997).

    With every payoff of [0, 1] seen in every round and η = √(8 ln K / T), nature's regret after T rounds is at most
    √(T ln K / 2). With a fixed rate it is the rule of group DRO (Sagawa et al., ICLR 2020). An option that no picture
    got in a round is taken to have paid nothing there.

    Args:
        rounds: T, how many rounds there will be; sets the rate.
        rate: η itself, instead.

    Raises:
        ValueError: not exactly one of the two is given, or it is not positive.
    """

    rounds: int | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if (self.rounds is None) == (self.rate is None):
            raise ValueError("Hedge takes either the number of rounds or a rate")
        given = self.rate if self.rate is not None else self.rounds
        if given is None or not 0 < given < math.inf:
            raise ValueError(f"Hedge's rounds or rate is positive and finite, not {given!r}")

    def strategy(self, play: Play) -> Float64[Tensor, "k"]:
        """The softmax of the scores."""
        if self.rate is not None:
            return torch.softmax(self.rate * play.score, 0)
        assert self.rounds is not None, "one of the two was given"
        return torch.softmax(math.sqrt(8 * math.log(max(2, len(play.score))) / self.rounds) * play.score, 0)

    def learn(self, play: Play, observed: Observed) -> Float64[Tensor, "k"]:
        """The sum of payoffs."""
        return play.score + torch.where(observed.share > 0, observed.payoff, 0.0).double()


@final
@dataclass(frozen=True)
class Exp3(Player):
    """Hedge where a round shows only the options that were played: payoffs are divided by the chance to see them.

    Auer et al., "The nonstochastic multiarmed bandit problem", SIAM J. Computing 2002, fig. 1; expected regret of order
    √(T K ln K). Pictures draw their options one by one, so that a round of B pictures gives the mean of B estimates.

    Args:
        rounds: T, how many rounds there will be.
        explore: the share γ of even play, above 0 and at most 1; None takes √(K ln K / ((e − 1) T)), at most 1.

    Raises:
        ValueError: rounds is not positive, or explore outside its range.
    """

    rounds: int
    explore: float | None = None

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"Exp3(rounds=…) is at least 1, not {self.rounds}")
        if self.explore is not None and not 0 < self.explore <= 1:
            raise ValueError(f"Exp3(explore=…) is a share above 0 and at most 1, not {self.explore}")

    def strategy(self, play: Play) -> Float64[Tensor, "k"]:
        """The softmax of the scores, mixed with even play."""
        options = len(play.score)
        even = self._even(options)
        return (1 - even) * torch.softmax(even / options * play.score, 0) + even / options

    def learn(self, play: Play, observed: Observed) -> Float64[Tensor, "k"]:
        """The sum of payoff · share / probability, whose mean is the payoff."""
        seen = torch.where(observed.share > 0, observed.payoff * observed.share, 0.0).double()
        return play.score + seen / self.strategy(play)

    def _even(self, options: int) -> float:
        if self.explore is not None:
            return self.explore
        return min(1.0, math.sqrt(options * math.log(max(2, options)) / ((math.e - 1) * self.rounds)))


@final
@dataclass(frozen=True)
class CVaR(Player):
    """The worst share α of the options: as much as 1 / (α K) on each of those that pay most.

    The mean of that share is the conditional value at risk (Rockafellar & Uryasev, Journal of Risk 2000). A payoff is
    remembered as a moving average, since one round's is noisy.

    Args:
        share: α, above 0 and at most 1; 1 is even play.
        memory: how much of the old payoff is kept in a round, from 0 to below 1.

    Raises:
        ValueError: an argument is outside its range.
    """

    share: float = 0.5
    memory: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"CVaR(share=…) is above 0 and at most 1, not {self.share}")
        if not 0 <= self.memory < 1:
            raise ValueError(f"CVaR(memory=…) is from 0 to below 1, not {self.memory}")

    def strategy(self, play: Play) -> Float64[Tensor, "k"]:
        """The most that each may have, from the one that pays most downwards, until all is given."""
        options = len(play.score)
        most = min(1.0, 1 / (self.share * options))
        order = play.score.argsort(descending=True, stable=True)
        left = (1 - most * torch.arange(options, dtype=torch.float64)).clamp(0, most)
        # Before the first round no option is the worst.
        return left.index_copy(0, order, left) if play.rounds else torch.full_like(left, 1 / options)

    def learn(self, play: Play, observed: Observed) -> Float64[Tensor, "k"]:
        """The moving average; an option that was not seen keeps its score."""
        weight = 1 - self.memory if play.rounds else 1.0
        return torch.where(observed.share > 0, play.score.lerp(observed.payoff.double(), weight), play.score)


def choose(strategy: Float64[Tensor, "k"], key: Key) -> Int64[Tensor, "b"]:
    """One option per picture, drawn from a strategy.

    Args:
        strategy: probabilities.
        key: one key per picture.
    """
    edges = strategy.cumsum(0)[:-1].to(key.device)
    return torch.bucketize(key.unit(), edges, right=True)


def observe(
    excess: Float[Tensor, "b"], choice: Int64[Tensor, "b"], options: int, *, cap: float = math.log(10)
) -> Observed:
    """What a round paid, from each picture's loss beyond that of its clean version.

    The loss itself would reward the option that destroys the label of hard pictures; the excess does not, and the cap
    keeps one destroyed picture from outweighing all others.

    Args:
        excess: loss under the option minus loss of the clean picture, in nats.
        choice: each picture's option, 0 to options − 1.
        options: how many there are.
        cap: the excess that pays 1, in nats; the default is that of a guess among ten classes.
    """
    payoff = (excess.detach().double() / cap).clamp(0, 1).cpu()
    member = torch.nn.functional.one_hot(choice.cpu(), options).double()
    count = member.sum(0)
    return Observed((payoff @ member) / count.clamp(min=1), count / max(1, len(choice)))


def exploitability(payoffs: Float[Tensor, "k"], best_response: float) -> float:
    """How far the final pair is from an equilibrium: max_q E_q L(θ̄) − min_θ L(θ, q̄), in the unit of the payoffs.

    Args:
        payoffs: the risk of the final net under each option: nature's best answer to it is the largest.
        best_response: the lowest risk that any net reached under nature's average strategy, such as that of the final
            net trained on against it; where this search falls short, so does the figure.
    """
    return float(payoffs.max()) - best_response
