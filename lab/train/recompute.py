"""Recompute: blocks forget what they would keep for the backward pass, and compute it again when gradients are due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.checkpoint import checkpoint

from lab.errors import LabError
from lab.spec.memory import AttentionKernel, Memory, Recompute
from lab.zoo.taps import Tap

FUSED = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION)
ATTENTION = ("_scaled_dot_product",)
PRODUCTS = ("mm.", "addmm.", "bmm.", "baddbmm.")
KEPT: dict[Recompute, tuple[str, ...]] = {
    "none": (),
    "block": (),
    "keep_attention": ATTENTION,
    "keep_products": ATTENTION + PRODUCTS,
}
"""Beginnings of the names of operations whose results are kept, so that they are not computed twice."""

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]


def attention_kernel(kind: AttentionKernel) -> AbstractContextManager[None]:
    """Where torch's attention function must take this kernel; it raises where `fused` cannot be had."""
    if kind == "auto":
        return nullcontext()
    kernel: AbstractContextManager[None] = sdpa_kernel(SDPBackend.MATH if kind == "math" else list(FUSED))
    return kernel


def recompute_blocks(model: nn.Module, memory: Memory) -> None:
    """Let every so many blocks of the model recompute, as told; whatever was so before is undone."""
    for module in model.modules():
        if isinstance(vars(module).get("forward"), Recomputed):
            del module.forward
    if memory.recompute == "none":
        return
    found = blocks(model)
    if not found:
        raise LabError(
            f"training.memory.recompute: {type(model).__name__} has no blocks to recompute",
            hint="mark a block by a class attribute tapped = 'block', or leave recompute at none",
        )
    for module in found[:: memory.recompute_every]:
        module.forward = Recomputed(module, module.forward, memory.recompute, memory.attention_kernel)


def blocks(model: nn.Module) -> list[nn.Module]:
    """The outermost blocks: modules tapped as such, or those that hold such a tap."""
    names: list[str] = []
    for name, module in model.named_modules():
        if getattr(module, "tapped", "") == "block":
            names.append(name.rpartition(".")[0] if isinstance(module, Tap) else name)
    inner = {name for name in names for other in names if name.startswith(f"{other}.")}
    return [model.get_submodule(name) for name in dict.fromkeys(names) if name and name not in inner]


class Keeping(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps the results of some operations while a block first runs."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = names
        self.results: list[tuple[Any, tuple[int, ...]]] = []
        """Each with the versions of its tensors."""

    def chooses(self, operation: Any) -> bool:
        """Whether a result is kept; what runs without gradients is measuring, and may run the first time only."""
        return torch.is_grad_enabled() and str(operation).removeprefix("aten.").startswith(self.names)

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Let the operation run, and keep what it gives."""
        out = operation(*args, **(kwargs or {}))
        if self.chooses(operation):
            self.results.append((tree_map_only(Tensor, _detached, out), _versions(out)))
        return out


class Giving(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Gives kept results while the block runs again; one that was changed in place since is computed again."""

    def __init__(self, kept: Keeping) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept = kept
        self.given = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Look the result up, or let the operation run."""
        if self.kept.chooses(operation):
            found, versions = self.kept.results[self.given]
            self.given += 1
            if _versions(found) == versions:
                return tree_map_only(Tensor, Tensor.detach, found)
        return operation(*args, **(kwargs or {}))


def _detached(tensor: Tensor) -> Tensor:
    """The tensor without the graph that autograd will hang on it, but with its count of changes in place."""
    with torch._C._SetExcludeDispatchKeyGuard(torch._C.DispatchKey.ADInplaceOrView, False):
        return tensor.detach()


def _versions(out: Any) -> tuple[int, ...]:
    return tuple(leaf._version for leaf in tree_leaves(out) if isinstance(leaf, Tensor))


@dataclass(frozen=True)
class Recomputed:
    """The forward function of a block that keeps its inputs only; hooks on the block itself are called once."""

    module: nn.Module
    plain: Callable[..., Any]
    recompute: Recompute
    kernel: AttentionKernel

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the block, in training so that it forgets; what torch draws at random is drawn the same again."""
        if not (self.module.training and torch.is_grad_enabled()):
            return self.plain(*args, **kwargs)
        return checkpoint(self.plain, *args, use_reentrant=False, context_fn=self._contexts, **kwargs)

    def _contexts(self) -> Contexts:
        """Around the first run and around the second."""
        names = KEPT[self.recompute]
        if not names:
            return nullcontext(), self._again(nullcontext())
        kept = Keeping(names)
        return kept, self._again(Giving(kept))

    @contextmanager
    def _again(self, inner: AbstractContextManager[Any]) -> Iterator[None]:
        """The second run: by the same kernel, and leaving running statistics as the first has left them."""
        known = [(buffer, buffer._version, buffer.clone()) for buffer in self.module.buffers()]
        try:
            with attention_kernel(self.kernel), inner:
                yield
        finally:
            with torch.no_grad():
                for buffer, version, before in known:
                    if buffer._version != version:
                        buffer.copy_(before)
