"""The command line `headlines`."""
