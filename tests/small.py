"""Configurations small enough to train in a second, by architecture: the `SMALL` of each search space."""

from sensorium_ray.models import find
from sensorium_ray.search.spaces import space

SMALL = {name: space(name, "small").settings["model"] for name in find.names()}
