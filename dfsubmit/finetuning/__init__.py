"""Fine-tuning that can be believed: splits by identity, honest figures.

In the order of the data: the index that `dfsubmit.extraction` left → `data` (what is learned from
and what is validated on: `splits`, `plan`; batches: `epochs`, `selfblend`, `augment`, `dataset`) →
`networks` (the network, its checkpoints, a teacher) → `trainer` (Hugging Face's) → `figures` →
`model_writer` (weights, curves, model card). `finetune` puts them in order.
"""
