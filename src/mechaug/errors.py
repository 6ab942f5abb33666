"""The one error that is the user's to mend: a sentence that names what is wrong and the fix."""


class UserError(Exception):
    """Something that the user gave cannot be used; the command line prints it as one sentence and exits with 2."""
