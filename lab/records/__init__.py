"""What was seen: one record a trial, written whole, readable without torch."""
