"""A package of its own: one that ciw installs under this name would otherwise be found instead."""
