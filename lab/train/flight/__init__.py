"""The flight recorder: the last steps of a run, kept so that a step that went wrong can be replayed exactly."""
