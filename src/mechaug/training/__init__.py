"""Training: objectives that add, recipes, nets for small pictures and one readable loop."""

from mechaug.training import recipes
from mechaug.training.engine import DivergedError, Fitted, StoppedError, fit
from mechaug.training.methods import METHODS, Method, method
from mechaug.training.nets import NETS, Net, build
from mechaug.training.objectives import JSD, CrossEntropy, Objective
from mechaug.training.recipes import Recipe

__all__ = [
    "JSD", "METHODS", "NETS", "CrossEntropy", "DivergedError", "Fitted", "Method", "Net", "Objective", "Recipe",
    "StoppedError", "build", "fit", "method", "recipes",
]  # fmt: skip
