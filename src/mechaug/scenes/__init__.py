"""Scenes: structural causal models of the nuisances, interventions on them, and counterfactual twins."""

from mechaug.scenes import library
from mechaug.scenes.balance import Balance, BalanceParams
from mechaug.scenes.camera import CAMERAS, AutoExposure, Camera, Ev100, Programme
from mechaug.scenes.relations import Band, Changed, Linear, Lookup, Power, Quantiles, Relation, Sometimes
from mechaug.scenes.scene import Scene, SceneNoise, SceneParams
from mechaug.scenes.sky import SunElevation
from mechaug.scenes.stored import TYPES, read_scene, write_scene
from mechaug.scenes.variable import Variable

__all__ = [
    "CAMERAS", "TYPES", "AutoExposure", "Balance", "BalanceParams", "Band", "Camera", "Changed", "Ev100", "Linear",
    "Lookup", "Power", "Programme", "Quantiles", "Relation", "Scene", "SceneNoise", "SceneParams", "Sometimes",
    "SunElevation", "Variable", "library", "read_scene", "write_scene",
]  # fmt: skip
