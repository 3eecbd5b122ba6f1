"""Fine-tuning that can be believed: faces out of data sets, splits by identity, honest figures.

In the order of the data: `layouts` (which videos, which labels, which identities) → `extraction`
(crops, by the same code as a run) → `index` (``faces.csv``) → `groups` and `splits` (what is
trained on, what is validated on) → `sampling`, `selfblend`, `augment`, `dataset` (batches) →
`backbones` (the network) → `training` (Hugging Face's Trainer) → `report` (curves, model card).
`tuning` puts them in order.
"""
