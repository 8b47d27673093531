"""The experiments: each file has a frozen `Config`, `measure` and `draw`, and is found by its name."""
