"""Adam as torch computes it, without the import of torch's compiler."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import torch
from torch import nn

from nas_sr.train.adam import Adam


def _trained(kind: type[torch.optim.Optimizer]) -> tuple[nn.Module, dict[str, Any]]:
    """A network after six steps, between which the optimizer is replaced by one that goes on from its state."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Conv2d(3, 5, 3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(generator=generator)
    optimizer = kind(network.parameters(), betas=(0.9, 0.999), fused=True)
    for step in range(6):
        if step == 3:
            state = optimizer.state_dict()
            optimizer = kind(network.parameters(), betas=(0.5, 0.5), fused=True)
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        network(torch.rand(2, 3, 8, 8, generator=generator)).square().mean().backward()
        optimizer.step()
    return network, optimizer.state_dict()


def test_it_is_torchs_adam() -> None:
    (ours, our_state), (torchs, torchs_state) = _trained(Adam), _trained(torch.optim.Adam)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), torchs.parameters(), strict=True))
    torch.testing.assert_close(our_state, torchs_state, rtol=0, atol=0)


def test_it_does_not_import_torchs_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would take two seconds of every process that trains."""
    imported: list[str] = []
    really = builtins.__import__

    def noted(name: str, *rest: Any, **more: Any) -> Any:
        imported.append(name)
        return really(name, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", noted)
        _trained(Adam)
    assert not [name for name in imported if name.startswith("torch._dynamo")]
