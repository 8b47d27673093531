"""The evaluation service: submission files written, checked, scored against withheld responses, and ranked."""
