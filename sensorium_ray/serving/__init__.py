"""The endpoint: anyone runs in-silico experiments on a bundle over HTTP."""
