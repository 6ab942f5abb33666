"""Estimators: what one picture tells about its causes, a file each, with the range in which each was tried."""
