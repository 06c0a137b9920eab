"""How probes measure: on the device, without a synchronisation, read out once an interval."""
