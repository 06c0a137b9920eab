"""The attention model of windows: encodings, attention inside and between frames, blocks of both, and its two ends."""
