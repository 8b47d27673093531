"""The one trainer, its losses and its checkpoints."""
