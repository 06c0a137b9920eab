"""Traffic on a road network: files read and checked, calendars and graphs made of them, and a generator."""
