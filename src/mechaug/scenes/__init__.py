"""Scenes: structural causal models of the nuisances, interventions on them, and counterfactual twins."""

from mechaug.scenes.relations import Band, Changed, Linear, Lookup, Power, Quantiles, Relation, Sometimes
from mechaug.scenes.scene import Scene, SceneNoise, SceneParams
from mechaug.scenes.stored import TYPES, read_scene, write_scene
from mechaug.scenes.variable import Variable

__all__ = [
    "TYPES", "Band", "Changed", "Linear", "Lookup", "Power", "Quantiles", "Relation", "Scene", "SceneNoise",
    "SceneParams", "Sometimes", "Variable", "read_scene", "write_scene",
]  # fmt: skip
