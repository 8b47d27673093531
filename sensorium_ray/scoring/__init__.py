"""The batch job that scores bundles on a frame store, and the table it makes."""
