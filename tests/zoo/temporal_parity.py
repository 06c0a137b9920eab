"""What the parity tests of temporal layers share: recorded weights under our names, and both runs they are held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Names = Mapping[str, str]
"""Prefix of a recorded name -> prefix of ours."""


def renamed(name: str, names: Names) -> str:
    """A recorded name as ours: the longest prefix that is known is replaced."""
    known = max((prefix for prefix in names if name.startswith(prefix)), key=len)
    return names[known] + name[len(known) :]


def fill(module: nn.Module, arrays: Mapping[str, Tensor], names: Names) -> dict[str, nn.Parameter]:
    """Give the module its recorded weights and buffers; back come its parameters under their recorded names."""
    found = dict(module.named_parameters()) | dict(module.named_buffers())
    learning = {}
    for key in [key for key in arrays if key.startswith(("param/", "buffer/"))]:
        name = key.partition("/")[2]
        ours = found.pop(renamed(name, names))
        with torch.no_grad():
            ours.copy_(arrays[key].view_as(ours))
        if isinstance(ours, nn.Parameter):
            learning[name] = ours
    assert not [name for name in found if not name.endswith((".key", ".share"))], f"{list(found)} were not recorded"
    return learning


def check_parity(
    module: nn.Module,
    arrays: Mapping[str, Tensor],
    names: Names,
    run: Callable[[torch.dtype], Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Outputs, loss and the gradient norm of every parameter, in float32 and where recorded in float64."""
    for dtype, suffix, close, gradients in ((torch.float32, "", 1e-5, 1e-4), (torch.float64, "64", 1e-10, 1e-10)):
        if f"out{suffix}/y" not in arrays:
            continue
        module.to(dtype)
        learning = fill(module, arrays, names)
        module.zero_grad()
        y = run(dtype)
        torch.testing.assert_close(y, arrays[f"out{suffix}/y"], rtol=close, atol=close / 10)
        scalar = loss(y, arrays["in/target"].to(dtype))
        torch.testing.assert_close(scalar, arrays[f"loss{suffix}"], rtol=close, atol=close / 10)
        scalar.backward()
        for name, weight in learning.items():
            assert weight.grad is not None
            norm, known = float(weight.grad.double().norm()), float(arrays[f"gradnorm{suffix}/{name}"])
            assert abs(norm - known) <= gradients * known + 1e-9 * (dtype == torch.float32), (
                f"{name}: {norm}, not {known}"
            )


def graph_of_edges(arrays: Mapping[str, Tensor], nodes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """[1, nodes, nodes]: the recorded edge list, with its weights where it has some."""
    source, target = arrays["in/edge_index"]
    weights = arrays.get("in/edge_weight", torch.ones(len(source))).to(dtype)
    return torch.zeros(nodes, nodes, dtype=dtype).index_put_((source, target), weights, accumulate=True)[None]
