"""What rules do with readings: watchers, one class a rule, and the health they give a run."""
