"""The central intervals of a forecast that are scored, of models and of their known lines alike."""

from __future__ import annotations

LEVELS = (50, 80, 90, 95)
"""Shares of the probability, in percent, whose central intervals are scored."""
