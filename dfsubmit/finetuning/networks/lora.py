"""Low-rank adaptation: a low-rank product is learned beside each linear layer and merged later.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, through the
package peft. All linear layers of the pretrained network are adapted, as Dettmers et al. ("QLoRA",
NeurIPS 2023) found needed to come near full fine-tuning; no dropout.
"""

from __future__ import annotations

from typing import Any

from dfsubmit.errors import NotInstalled, UsageError


def need_peft() -> None:
    """Raise `NotInstalled` where the package is missing."""
    import importlib.util

    if importlib.util.find_spec("peft") is None:
        raise NotInstalled.extra("finetune --tune lora", "lora", "peft")


def add_lora(model: Any, head: list[str], rank: int, alpha: int) -> None:
    """Adapt every linear layer outside the head, in place. Before the first step the answers are
    the same as without.

    Args:
        model: a transformers classifier; keeps its class.
        head: the names of the modules that are left as they are.
        rank: of the product of the two layers.
        alpha: their product is scaled by alpha / rank.

    Raises:
        UsageError: there is no linear layer.
    """
    need_peft()
    from peft import LoraConfig, inject_adapter_in_model
    from torch.nn import Linear

    inside = tuple(f"{name}." for name in head)
    layers = [
        name
        for name, module in model.named_modules()
        # Subclasses are read by what holds them (MultiheadAttention), not called.
        if type(module) is Linear and not f"{name}.".startswith(inside)
    ]
    if not layers:
        raise UsageError(
            f"--tune lora: {type(model).__name__} has no linear layers", "take --tune norm"
        )
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=layers)
    inject_adapter_in_model(config, model)


def is_lora(parameter: str) -> bool:
    """Whether a parameter of this name is one that `add_lora` added."""
    return ".lora_" in parameter


def merge_lora(model: Any) -> None:
    """Add what was learned to the layers themselves, and remove the rest, in place: the model has
    the parameters of its base again. Nothing happens to a model without LoRA."""
    if not any(is_lora(name) for name, _ in model.named_parameters()):
        return
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge(safe_merge=True)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())
    if hasattr(model, "peft_config"):
        del model.peft_config
