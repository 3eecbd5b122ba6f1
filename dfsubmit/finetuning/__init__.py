"""Fine-tuning with splits by identity and metrics without leakage.

In the order of the data: the index from `dfsubmit.extraction` → `data` (training and validation
sets: `splits`, `plan`; batches: `epochs`, `selfblend`, `augment`, `dataset`) → `networks` (the
network, its checkpoints, a teacher) → `trainer` (Hugging Face's) → `figures` → `model_writer`
(weights, curves, model card). `finetune` connects them.
"""
