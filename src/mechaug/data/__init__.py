"""Data: pictures with their labels and places, from the embedded set, published files, folders and arrays."""

from mechaug.data.nuisances import Nuisances, draw_nuisances
from mechaug.data.pictures import DataSet, Pictures
from mechaug.data.signs import CLASSES, Signs, render, signs
from mechaug.data.sources import SOURCES, load

__all__ = [
    "CLASSES", "SOURCES", "DataSet", "Nuisances", "Pictures", "Signs", "draw_nuisances", "load", "render", "signs",
]  # fmt: skip
