"""The network to fine-tune: its base, its teacher, its averages and its checkpoints."""
