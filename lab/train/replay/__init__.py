"""Replay: a run is taken up again at a snapshot, one of its steps is taken apart, two runs are held side by side."""
