"""A network at work → the features that Grad-CAM follows, and the grid in which they lie."""

from __future__ import annotations

from typing import Any

from dfsubmit.errors import ModelError

_FEWEST_PLACES = 4
_MOST_EXTRA_TOKENS = 16
# Their tokens are ordered by units, not by rows.
_OUT_OF_ORDER = {"hiera"}


def no_map(network: Any, reason: str, hint: str = "") -> ModelError:
    """The error for a network that has no map of a kind."""
    kind = network.config.model_type
    return ModelError(f"a map of a {kind} network cannot be drawn: {reason}", hint)


class Activations:
    """Sees the features that Grad-CAM needs pass by, and the grids that features lie in.

    Two hooks on all modules. Where the last block (a member of a list of modules) takes tokens,
    shape (n, tokens, width), these are the features: that is a transformer. Where it takes a
    feature map, (n, channels, rows, columns), they are the last map of all.
    """

    def __init__(self, network: Any, images: Any) -> None:
        self.network = network
        self._count, _, self._height, self._width = images.shape
        self._tokens: Any = None
        self._map: Any = None
        self._takes_tokens = False
        self._inside: list[Any] = []
        self._grids: list[tuple[int, int]] = []
        for config in (network.config, getattr(network.config, "vision_config", None)):
            if isinstance(side := getattr(config, "patch_size", None), int):
                self._grids.append((self._height // side, self._width // side))

    def __enter__(self) -> Activations:
        import torch

        lists = (torch.nn.ModuleList, torch.nn.Sequential)
        members = [m for group in self.network.modules() if isinstance(group, lists) for m in group]
        blocks = {member for member in members if next(member.children(), None) is not None}

        def before(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            taken = arguments[0] if arguments else named.get("hidden_states")
            if module not in blocks:
                return
            if self._are_tokens(taken):
                self._takes_tokens, self._tokens = True, taken
                self._inside.append(module)
            elif self._is_map(taken) and not self._inside:
                self._takes_tokens = False

        def behind(module: Any, arguments: tuple[Any, ...], given: Any) -> None:
            if self._inside and self._inside[-1] is module:
                self._inside.pop()
            given = given[0] if isinstance(given, tuple) and given else given
            if self._is_map(given):
                self._map = given
                self._grids.append((given.shape[2], given.shape[3]))

        modules = list(self.network.modules())
        self._hooks = [m.register_forward_pre_hook(before, with_kwargs=True) for m in modules]
        self._hooks += [m.register_forward_hook(behind) for m in modules]
        return self

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def features(self) -> Any:
        """The tokens or the map to look at."""
        found = self._tokens if self._takes_tokens else self._map
        if found is None or self.network.config.model_type in _OUT_OF_ORDER:
            raise no_map(self.network, "no features were found that lie in the picture's order")
        return found

    def as_grid(self, features: Any) -> Any:
        """(n, channels, rows, columns) from a map, or from tokens, the first of which may be none
        of the picture's."""
        if features.ndim == 4:
            return features
        n, tokens, width = features.shape
        rows, columns = self.grid(tokens)
        return features[:, -rows * columns :].transpose(1, 2).reshape(n, width, rows, columns)

    def grid(self, tokens: int) -> tuple[int, int]:
        """How the picture's tokens lie: as the largest map that has no more places, be it halved
        as often as Swin's merging halves it."""
        best = (0, 0)
        for rows, columns in self._grids:
            while rows * columns > tokens:
                rows, columns = -(-rows // 2), -(-columns // 2)
            best = max(best, (rows, columns), key=lambda grid: grid[0] * grid[1])
        # Of class, distillation and register tokens there are some; nothing else is explained so.
        if not 0 <= tokens - best[0] * best[1] <= _MOST_EXTRA_TOKENS:
            raise no_map(self.network, f"its {tokens} tokens do not lie in a grid")
        return best

    def _are_tokens(self, value: Any) -> bool:
        return _is_batch(value, 3, self._count) and value.shape[1] >= _FEWEST_PLACES

    def _is_map(self, value: Any) -> bool:
        """Whether it has the picture's proportions, which tells channels that come last."""
        if not _is_batch(value, 4, self._count):
            return False
        rows, columns = value.shape[2:]
        skew = abs(rows * self._width - columns * self._height)
        enough: bool = rows * columns >= _FEWEST_PLACES
        return enough and skew <= max(self._width, self._height)


def _is_batch(value: Any, dimensions: int, count: int) -> bool:
    import torch

    return (
        isinstance(value, torch.Tensor)
        and value.is_floating_point()
        and value.ndim == dimensions
        and len(value) == count
    )
