"""The notebooks' own package: a view-model and a thin view per tool."""
