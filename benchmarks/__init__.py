"""What the hub can carry, measured beside what it is compared with: `make bench`, or `python -m benchmarks --help`."""
