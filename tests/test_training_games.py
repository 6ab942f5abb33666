"""Games: regret bounds on adversarial payoffs, equilibria of matrix games, and draws from a strategy."""

import math

import pytest
import torch

from mechaug.keys import Key
from mechaug.training.games import CVaR, Exp3, Hedge, Observed, Play, Player, choose, exploitability, observe

EVEN = torch.full((5,), 0.2)


def regret(player: Player, payoffs: torch.Tensor) -> float:
    """What the best single option would have paid beyond what was played, all payoffs seen in every round."""
    play = Play.start(payoffs.shape[1])
    earned = 0.0
    for row in payoffs:
        earned += float(player.strategy(play) @ row.double())
        play = player.update(play, Observed(row, torch.full_like(row, 1 / len(row))))
    return float(payoffs.sum(0).max()) - earned


@pytest.mark.parametrize("kind", ["random", "turns", "one better"])
def test_hedge_keeps_its_regret_bound(kind: str) -> None:
    rounds, options = 400, 5
    payoffs = Key(0).at(torch.arange(rounds)).uniform(0.0, 1.0, options)
    if kind == "turns":  # each option pays in its turn
        payoffs = (torch.arange(rounds)[:, None] % options == torch.arange(options)).float()
    if kind == "one better":
        payoffs = payoffs * 0.5
        payoffs[:, 3] += 0.3
    bound = math.sqrt(rounds * math.log(options) / 2)
    assert regret(Hedge(rounds=rounds), payoffs) <= bound
    # A rule that never learns breaks the bound where one option is better, so that the test can fail.
    if kind == "one better":
        assert regret(Hedge(rate=1e-9), payoffs) > bound


def test_two_hedges_find_the_equilibrium_of_a_matrix_game() -> None:
    """Rock, paper, scissors with a bonus for rock against scissors: the value is 0, and scissors are played less."""
    matrix = torch.tensor([[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-2.0, 1.0, 0.0]], dtype=torch.float64)
    paid = (matrix + 2) / 4
    rounds = 4000
    rule = Hedge(rounds=rounds)
    row, column = Play.start(3), Play.start(3)
    for _ in range(rounds):
        p, q = rule.strategy(row), rule.strategy(column)
        row = rule.update(row, Observed(paid @ q, torch.full((3,), 1 / 3)))
        column = rule.update(column, Observed(1 - p @ paid, torch.full((3,), 1 / 3)))
    gap = float((matrix @ column.average).max() - (row.average @ matrix).min())
    assert 0 <= gap < 0.1
    torch.testing.assert_close(row.average, torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64), atol=0.05, rtol=0)


def test_exp3_learns_from_what_it_plays() -> None:
    rounds, options, batch = 500, 4, 8
    means = torch.tensor([0.2, 0.3, 0.8, 0.25])
    rule, play = Exp3(rounds=rounds), Play.start(options)
    for number in range(rounds):
        choice = choose(rule.strategy(play), Key(1).at(torch.arange(batch), epoch=number))
        play = rule.update(play, observe(means[choice], choice, options, cap=1.0))
    assert int(play.average.argmax()) == 2
    assert play.average[2] > 0.6
    assert play.average.sum().item() == pytest.approx(1)


def test_exp3_estimates_are_unbiased() -> None:
    rule, play = Exp3(rounds=10, explore=0.5), Play(torch.tensor([0.0, 3.0, -1.0]).double(), torch.zeros(3).double(), 1)
    strategy = rule.strategy(play)
    payoff = torch.tensor([0.1, 0.5, 0.9])
    choice = choose(strategy, Key(0).at(torch.arange(200_000)))
    new = rule.learn(play, observe(payoff[choice], choice, 3, cap=1.0))
    torch.testing.assert_close((new - play.score).float(), payoff, atol=0.01, rtol=0)


def test_cvar_plays_the_worst_share_evenly() -> None:
    rule, play = CVaR(share=0.4, memory=0.0), Play.start(5)
    assert rule.strategy(play).tolist() == pytest.approx(EVEN.tolist())
    play = rule.update(play, Observed(torch.tensor([0.1, 0.9, 0.3, 0.7, 0.2]), EVEN))
    assert rule.strategy(play).tolist() == pytest.approx([0, 0.5, 0, 0.5, 0])
    play = rule.update(play, Observed(torch.tensor([1.0, 0.9, 0.3, 0.7, 0.2]), torch.tensor([0.5, 0, 0, 0.5, 0])))
    assert rule.strategy(play).tolist() == pytest.approx([0.5, 0.5, 0, 0, 0])  # the unseen keep their scores
    assert CVaR(share=1.0).strategy(play).tolist() == pytest.approx(EVEN.tolist())
    assert CVaR(share=0.01).strategy(play).max() == 1


def test_choices_follow_the_strategy_and_nothing_else() -> None:
    strategy = torch.tensor([0.5, 0.0, 0.2, 0.3], dtype=torch.float64)
    key = Key(3).at(torch.arange(20_000))
    choice = choose(strategy, key)
    shares = torch.bincount(choice, minlength=4) / len(choice)
    torch.testing.assert_close(shares.double(), strategy, atol=0.015, rtol=0)
    assert shares[1] == 0
    assert torch.equal(choose(strategy, key.rows(torch.tensor([7, 3]))), choice[[7, 3]])


def test_payoffs_are_capped_excess_losses() -> None:
    seen = observe(torch.tensor([0.5, 9.0, -1.0]), torch.tensor([0, 2, 2]), 3, cap=1.0)
    assert seen.payoff.tolist() == pytest.approx([0.5, 0, 0.5])
    assert seen.share.tolist() == pytest.approx([1 / 3, 0, 2 / 3])


def test_exploitability_is_zero_at_an_equilibrium() -> None:
    assert exploitability(torch.tensor([0.3, 0.3]), 0.3) == pytest.approx(0, abs=1e-6)
    assert exploitability(torch.tensor([0.3, 0.5]), 0.4) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Hedge(),
        lambda: Hedge(rounds=3, rate=0.1),
        lambda: Hedge(rate=0.0),
        lambda: Exp3(rounds=0),
        lambda: Exp3(rounds=5, explore=0.0),
        lambda: CVaR(share=0.0),
        lambda: CVaR(memory=1.0),
        lambda: Play.start(0),
    ],
)
def test_impossible_games_are_refused(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator]
