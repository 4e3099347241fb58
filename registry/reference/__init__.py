"""Code tables of national standards and the checks of numbers that carry a check character. Pure."""
