"""lab: ablations for graph neural networks, from a question in a file to measured effects."""

__version__ = "0.1.0"
