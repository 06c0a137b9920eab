"""Graphs that change from frame to frame, drawn or read, and what simple forecasts make of them."""
