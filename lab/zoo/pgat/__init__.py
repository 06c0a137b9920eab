"""The probabilistic graph-attention forecaster, part by part."""
