"""Errors that are the user's to mend: a sentence that names what is wrong and the fix."""


class UserError(Exception):
    """Something that the user gave cannot be used; the command line prints it as one sentence and exits with 2."""


class ModelError(ValueError):
    """A user's model raised an error of its own when it was shown pictures; the cause is that error."""
