"""Experiments: A/B tests of flow variants and of models, with honest statistics."""
