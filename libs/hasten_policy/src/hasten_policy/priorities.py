"""The priority classes: 0 is the most urgent, a request that names none is of class 1."""

CLASSES = 4
"""How many classes there are."""

NORMAL = 1
"""Class of requests that name no priority."""

HIGHEST = 0
"""Class of what is most urgent."""

LOWEST = CLASSES - 1
"""Class of what may wait longest."""
