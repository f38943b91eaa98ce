"""A run of samples as a row: the trial of decision 12, held against a model by `tests/benchmarks`."""
