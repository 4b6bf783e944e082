"""Speed, measured: comparisons within one run, not collected by `make test`. See `make bench`."""
