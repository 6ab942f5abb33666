"""The commands, a file each: a frozen dataclass of what can be given, and `run`, which does it.

Only the standard library and tyro are imported at the top of these files, so that help is quick.
"""
