"""The command line: `mechaug study | train | evaluate | compare | corrupt | review | fit | show | report`.

Each command is a file in `commands`. Only the standard library and tyro are imported at the top, so that help is quick
and a mistyped option costs nothing.
"""

import errno
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from mechaug.commands.compare import Compare
from mechaug.commands.corrupt import Corrupt
from mechaug.commands.evaluate import Evaluate
from mechaug.commands.fit import Fit
from mechaug.commands.report import Report
from mechaug.commands.review import Review
from mechaug.commands.show import Show
from mechaug.commands.study import Study
from mechaug.commands.train import Train
from mechaug.errors import UserError
from mechaug.version import VERSION

BAD_INPUT, INTERRUPTED = 2, 130

Command = (
    Annotated[Study, tyro.conf.subcommand("study")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Corrupt, tyro.conf.subcommand("corrupt")]
    | Annotated[Review, tyro.conf.subcommand("review")]
    | Annotated[Fit, tyro.conf.subcommand("fit")]
    | Annotated[Show, tyro.conf.subcommand("show")]
    | Annotated[Report, tyro.conf.subcommand("report")]
)

DESCRIPTION = f"""mechaug {VERSION}: which augmentation makes an image classifier robust, and to what?

Start with `mechaug study`: it needs no data and no options, and takes a few minutes on two CPU cores."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 2 something given cannot be used, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if list(arguments) == ["--version"]:
        print(VERSION)  # noqa: T201
        sys.exit(0)
    command = tyro.cli(
        Command, prog="mechaug", description=DESCRIPTION, args=list(arguments), config=(tyro.conf.OmitArgPrefixes,)
    )  # type: ignore[call-overload]
    sys.exit(_guarded(command))


def _guarded(command: Study | Train | Evaluate | Compare | Corrupt | Review | Fit | Show | Report) -> int:
    """Run a command; what the user can mend becomes one sentence on standard error."""
    from mechaug.training.engine import StoppedError

    try:
        command.run()
    except UserError as error:
        return _complain(str(error))
    except StoppedError as stopped:
        print(f"mechaug: {stopped}; the same command goes on from here", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except KeyboardInterrupt:
        print("mechaug: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except OSError as error:
        return _complain(_explain(error))
    return 0


def _complain(sentence: str) -> int:
    print(f"mechaug: {sentence}", file=sys.stderr)  # noqa: T201
    return BAD_INPUT


def _explain(error: OSError) -> str:
    place = error.filename or ""
    if error.errno == errno.ENOSPC or "No space left" in str(error):
        return f"the disk is full{f' at {place}' if place else ''}: free some space; the same command goes on from here"
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return f"cannot write {place} ({error.strerror}): choose another --out"
    return f"{error.strerror or error}{f': {place}' if place else ''}"


if __name__ == "__main__":
    main()
