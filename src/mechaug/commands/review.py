"""`mechaug review`: the catalogue of heuristics, and what else there is to train by."""

from dataclasses import dataclass
from pathlib import Path

from mechaug.commands.options import say


@dataclass(frozen=True)
class Review:
    """List every published heuristic that a study can train by: what it does, assumes, needs, breaks and costs."""

    out: Path | None = None
    """Write the review as a page, such as review.html, instead of a table."""
    results: tuple[Path, ...] = ()
    """Studies (folders, or their result.json) whose figures are put beside the claims."""
    cite: tuple[str, ...] = ()
    """Print the BibTeX entries of these heuristics and nothing else; "all" for everything."""

    def run(self) -> None:
        """Print the catalogue, its page or its citations."""
        if self.cite:
            say("\n\n".join(entry for entry in _entries(self.cite)))
            return
        from mechaug.reports.review import cards, read_results, review_table, write_review

        results = read_results(self.results)
        if self.out is not None:
            write_review(self.out, results)
            say(f"review: {self.out}")
            return
        from rich.console import Console

        from mechaug.heuristics.review import LEFT_OUT
        from mechaug.training.methods import METHODS

        console = Console()
        # Where no terminal says how wide it is, sentences get more room than the usual 80 columns.
        (console if console.is_terminal else Console(width=140)).print(review_table(results))
        known = {name for card in cards() for name in card.names}
        say("\nA study can also train by:")
        for method in (one for one in METHODS if one.name not in known):
            say(f"  {method.name}: {method.description}")
        for one in LEFT_OUT:
            say(f"\nLeft out: {one.name} ({one.citation.short}). {one.reason}")


def _entries(names: tuple[str, ...]) -> tuple[str, ...]:
    """The BibTeX entries of some heuristics, each once."""
    from mechaug.heuristics.review import catalogue, cited
    from mechaug.training.methods import METHODS

    kinds = {method.name: method.augmentation for method in METHODS}
    wanted = [entry.about.name for entry in catalogue()] if "all" in names else list(names)
    # A name as in a study stands for the heuristic that it trains by.
    classes = [type(kinds[name]).__name__ if kinds.get(name) is not None else name for name in wanted]
    return tuple(dict.fromkeys(cited(name).bibtex for name in classes))
