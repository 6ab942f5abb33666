"""The trainings of a study on several machines or cores, spread by Ray: each with its measurement, into one folder.

A training's draws depend on its seed alone, so that it ends with the same figures wherever it runs. Ray is an extra,
and is imported only here.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mechaug.config import StudyConfig
from mechaug.errors import UserError
from mechaug.study import run_piece
from mechaug.watch import Watch

LOCAL = "local"


class Spread:
    """Trainings as tasks of Ray.

    Args:
        address: of a cluster, "auto" for one that runs here or else a local one, or "local" for that. All machines of
            a cluster must see the study's folder under the same path.
        checkpoint_seconds: as in `run_study`.

    Raises:
        UserError: Ray is not installed.
    """

    def __init__(self, address: str = "auto", *, checkpoint_seconds: float = 30.0) -> None:
        try:
            self._ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise UserError("Ray is not installed: pip install 'mechaug[ray]', or leave out --ray") from error
        self.address, self.checkpoint_seconds = address, checkpoint_seconds

    def __call__(self, config: StudyConfig, folder: Path, pieces: Sequence[tuple[str, int]], watch: Watch) -> None:
        """Do every piece, a method and a seed each; what is finished lies in the folder whatever happens to others.

        Raises:
            UserError: there is no such cluster, or a piece cannot be done.
        """
        if not pieces:
            return
        ray, mine = self._ray, False
        if not ray.is_initialized():
            self._begin()
            mine = True
        try:
            # A GPU each where trainings run on GPUs; cores are shared as Ray sees fit.
            gpus = 1 if config.device.startswith("cuda") else 0
            task = ray.remote(num_cpus=1, num_gpus=gpus)(_piece)
            place = str(folder.resolve())
            waiting = {
                task.remote(config, place, name, seed, self.checkpoint_seconds): f"{name}, seed {seed}"
                for name, seed in pieces
            }
            while waiting:
                (done,), _ = ray.wait(list(waiting), num_returns=1)
                what, complaint = waiting.pop(done), ray.get(done)
                if complaint:
                    raise UserError(f"{what}: {complaint}")
                watch.say(f"{what} is done; {len(waiting)} of {len(pieces)} are left")
        finally:
            if mine:
                ray.shutdown()

    def _begin(self) -> None:
        options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
        if self.address == "auto":
            try:
                self._ray.init(address="auto", log_to_driver=False, logging_level="error")
            except ConnectionError:
                self._ray.init(address=LOCAL, **options)
            return
        try:
            self._ray.init(address=self.address, **(options if self.address == LOCAL else {}))
        except (ConnectionError, ValueError) as error:
            raise UserError(f"there is no Ray cluster at {self.address}: give auto, local or its address") from error


def _piece(config: StudyConfig, folder: str, name: str, seed: int, checkpoint_seconds: float) -> str:
    """One piece on a worker; what the user can mend comes back as a sentence."""
    try:
        run_piece(config, Path(folder), name, seed, checkpoint_seconds=checkpoint_seconds)
    except UserError as error:
        return str(error)
    return ""
