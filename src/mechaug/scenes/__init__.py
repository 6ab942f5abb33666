"""Scenes: structural causal models of the nuisances, interventions on them, counterfactual twins, and fits.

A scene is written by hand, taken from `library`, or fitted to photographs by `fit_folder`; `abduct` says what one
picture tells of its causes.
"""

from mechaug.scenes import library
from mechaug.scenes.abduct import Abduction, abduct
from mechaug.scenes.balance import Balance, BalanceParams
from mechaug.scenes.camera import CAMERAS, AutoExposure, Camera, Ev100, Programme
from mechaug.scenes.estimators.base import Estimate
from mechaug.scenes.fit import PRIORS, Fit, fit_folder, reference_folder
from mechaug.scenes.fit_reference import PHOTOGRAPHS, Reference
from mechaug.scenes.fit_variable import Fitted
from mechaug.scenes.relations import Band, Changed, Linear, Lookup, Power, Relation
from mechaug.scenes.roots import Quantiles, Sometimes
from mechaug.scenes.scene import Scene, SceneNoise, SceneParams
from mechaug.scenes.sky import SunElevation
from mechaug.scenes.stored import TYPES, read_scene, write_scene
from mechaug.scenes.variable import Variable

__all__ = [
    "CAMERAS", "PHOTOGRAPHS", "PRIORS", "TYPES", "Abduction", "AutoExposure", "Balance", "BalanceParams", "Band",
    "Camera", "Changed", "Estimate", "Ev100", "Fit", "Fitted", "Linear", "Lookup", "Power", "Programme", "Quantiles",
    "Reference", "Relation", "Scene", "SceneNoise", "SceneParams", "Sometimes", "SunElevation", "Variable", "abduct",
    "fit_folder", "library", "read_scene", "reference_folder", "write_scene",
]  # fmt: skip
