"""Natural shift: the domains of a set held out in turn, and what all of them say together.

One study for each domain, trained on the others and measured on it, in a folder of its own; like any other it goes on
where it was stopped. Their pool is one more result: every picture judged by the nets that never saw its domain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from mechaug.config import StudyConfig
from mechaug.data.pictures import DataSet, Pictures
from mechaug.data.shifted import domains_in
from mechaug.evaluation.contrasts import compared
from mechaug.evaluation.kept import read_outcomes
from mechaug.evaluation.result import MethodResult, Result, Run, write_result
from mechaug.evaluation.run import Outcomes, digest, mean, pool
from mechaug.evaluation.suites import Target
from mechaug.evaluation.suites.clean import Clean
from mechaug.job import load_data, make_result
from mechaug.keys import Key
from mechaug.study import Spreading, run_study
from mechaug.watch import Watch

QUESTION = "domains that were never seen"
"""The question of the pool's comparisons."""


def run_domains(
    config: StudyConfig,
    path: Path,
    folder: Path,
    *,
    about: str,
    command: str,
    watch: Watch | None = None,
    checkpoint_seconds: float = 30.0,
    spread: Spreading | None = None,
) -> dict[str, Result]:
    """Run the studies, or what is left of them, and pool them.

    Args:
        config: of every study, but for its data.
        path: holds the pictures in <domain>/<class>/.
        folder: of the pool's result.json; the studies lie in folders within, named after their domains.
        about: name of the method that is compared with all others.
        command: as in `run_study`.
        watch: likewise.
        checkpoint_seconds: likewise.
        spread: likewise.

    Returns:
        The results by their folders within `folder`: the pool first, whose name is empty.

    Raises:
        As `run_study`.
    """
    studies: dict[str, Result] = {}
    data: list[DataSet] = []
    for domain in domains_in(path):
        name = f"{config.data_name}, {domain} held out" if config.data_name else ""
        own = replace(config, data=f"domains:{path}@{domain}", data_name=name)
        studies[domain] = run_study(
            own, folder / domain, command=command, watch=watch, checkpoint_seconds=checkpoint_seconds, spread=spread
        )
        # The trainings' pictures are not looked at again.
        data.append(load_data(replace(own, train_size=0)))
    pooled = _pooled(config, path, studies, data, folder, about, command)
    write_result(pooled, folder / "result.json")
    return {"": pooled, **studies}


def _pooled(
    config: StudyConfig, path: Path, studies: Mapping[str, Result], data: Sequence[DataSet], folder: Path, about: str,
    command: str,
) -> Result:  # fmt: skip
    together, domain_of = _together(config, path, data, studies)
    target = Target(
        together.test, together.classes, total=together.test_total, groups=domain_of, group_names=tuple(studies)
    )
    suites, key = (Clean(),), Key(0).fold("domains")
    entries: dict[str, MethodResult] = {}
    rights: dict[str, torch.Tensor] = {}
    for number, chosen in enumerate(config.methods):
        parts = {domain: study.methods[number] for domain, study in studies.items()}
        outcomes = [_outcomes(folder, parts, run) for run in range(len(config.seeds))]
        rights[chosen] = torch.stack([one["clean"]["all"]["right"] for one in outcomes])
        runs = [_run([part.runs[run] for part in parts.values()], one) for run, one in enumerate(outcomes)]
        entries[chosen] = replace(
            next(iter(parts.values())), evaluation=pool(suites, outcomes, target), runs=tuple(runs), sees=(),
            outcomes=(),
        )  # fmt: skip
    pairs = {(other, "clean"): (rights[about], rights[other]) for other in config.methods if other != about}
    result = make_result(
        f"{together.name}: every picture judged by nets that never saw its domain", command, 0.0, together, suites,
        list(entries.values()), (), net=config.recipe.net, seeds=config.seeds, epochs=config.recipe.epochs,
        device=config.device, pictures_digest=digest(together.test),
    )  # fmt: skip
    return replace(
        result,
        data=replace(result.data, train_size=next(iter(studies.values())).data.train_size),
        wall_seconds=sum(study.wall_seconds for study in studies.values()),
        contrasts=tuple(compared(QUESTION, entries[about].title, pairs, entries, key)),
    )


def _together(
    config: StudyConfig, path: Path, data: Sequence[DataSet], studies: Mapping[str, Result]
) -> tuple[DataSet, torch.Tensor]:
    """All held-out pictures as one set, and the number of each one's domain."""
    sizes = [len(one.test) for one in data]
    test = Pictures(
        torch.cat([one.test.pixels for one in data]), torch.cat([one.test.labels for one in data]),
        torch.arange(sum(sizes)),
    )  # fmt: skip
    trained = " or ".join(dict.fromkeys(f"{study.data.train_size:,}" for study in studies.values()))
    return (
        DataSet(
            config.data_name or path.resolve().name, f"domains:{path}", data[0].classes, data[0].train, test,
            f"each domain held out in turn, trained on {trained} pictures of the others",
            sum(one.test_total or len(one.test) for one in data),
        ),
        torch.arange(len(data)).repeat_interleave(torch.tensor(sizes)),
    )  # fmt: skip


def _outcomes(folder: Path, parts: Mapping[str, MethodResult], run: int) -> Outcomes:
    """What happened to each picture of all domains in one run of a method, domain by domain."""
    found = [read_outcomes(folder / domain / part.outcomes[run])[1]["clean"]["all"] for domain, part in parts.items()]
    return {"clean": {"all": {name: torch.cat([one[name] for one in found]) for name in found[0]}}}


def _run(parts: Sequence[Run], outcomes: Outcomes) -> Run:
    """The trainings of one seed: their seconds together, and the accuracy over all pictures."""
    clean = mean(outcomes, "clean")
    assert clean is not None, "every evaluation has it"
    seconds = sum(part.train_seconds for part in parts)
    pictures = sum(part.images_per_second * part.train_seconds for part in parts)
    return Run(
        parts[0].seed, sum(part.steps for part in parts), seconds, pictures / max(seconds, 1e-9),
        sum(part.evaluate_seconds for part in parts), clean, None, None,
    )  # fmt: skip
