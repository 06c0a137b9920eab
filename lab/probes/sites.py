"""Sites: the modules of a model that are worth a look, as its taps mark them or as their types tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

KINDS = ("block", "norm", "relu", "gate", "attention", "logits")
LEAVES: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("relu", (nn.ReLU, nn.ReLU6)),
    ("norm", (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._BatchNorm)),
    ("attention", (nn.Softmax,)),
    ("gate", (nn.Sigmoid,)),
)
"""What modules are taken for where a model has no taps; its last linear layer is then its read-out."""


@dataclass(frozen=True)
class Site:
    """A module whose output is looked at."""

    name: str
    kind: str
    module: nn.Module

    @property
    def over(self) -> str:
        """What reads what, where this is attention: nodes, unless its tap says otherwise."""
        return str(getattr(self.module, "over", "nodes"))


def sites(model: nn.Module) -> tuple[Site, ...]:
    """The tapped modules of a model, or what its plain ones are taken for."""
    named = dict(model.named_modules())
    tapped = [Site(name, str(getattr(module, "tapped", "")), module) for name, module in named.items()]
    return tuple(site for site in tapped if site.kind in KINDS) or tuple(_leaves(named))


def _leaves(named: Mapping[str, nn.Module]) -> Iterable[Site]:
    last = next((name for name, module in reversed(list(named.items())) if isinstance(module, nn.Linear)), None)
    for name, module in named.items():
        kind = next((kind for kind, types in LEAVES if isinstance(module, types)), "")
        if kind or name == last:
            yield Site(name, kind or "logits", module)


Hear = Callable[[Site, Tensor, Tensor | None], None]
"""Called with a site, its output, and the mask that a tap of attention was given."""


class Listening:
    """Forward hooks that live only while something listens; a module's first call of a forward pass is heard."""

    def __init__(self, watched: Iterable[Site], hear: Hear) -> None:
        self.watched = tuple(watched)
        self.hear = hear
        self.broken: dict[str, str] = {}
        """Sites that could not be measured, with what went wrong; they are left alone afterwards."""
        self._handles: list[RemovableHandle] = []

    @property
    def is_on(self) -> bool:
        """Whether any hook is in place."""
        return bool(self._handles)

    def start(self) -> None:
        """Hook every site."""
        self.stop()
        heard: set[str] = set()
        for site in self.watched:
            if site.name not in self.broken:
                hook = self._hook(site, heard)
                self._handles.append(site.module.register_forward_hook(hook, with_kwargs=True))

    def stop(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, site: Site, heard: set[str]) -> Callable[[nn.Module, Any, Any, Any], None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
            told = output[0] if isinstance(output, (tuple, list)) and output else output
            if site.name in heard or not (isinstance(told, Tensor) and told.is_floating_point() and told.numel()):
                return
            heard.add(site.name)
            allowed = kwargs.get("allowed", args[1] if len(args) > 1 else None)
            try:
                self.hear(site, told, allowed if isinstance(allowed, Tensor) else None)
            except Exception as error:  # A model of any shape may come; what it breaks is the reading, not the run.
                self.broken[site.name] = f"{type(error).__name__}: {error}"

        return hook
