"""The probe page: what one trial's probes read, or two trials' side by side, as one self-contained file."""
