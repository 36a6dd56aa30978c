"""Adam without torch.compile's front end, which torch's own imports in every process that makes one: two seconds."""

from __future__ import annotations

import inspect

import torch

_Optimizer = torch.optim.Optimizer


class Adam(torch.optim.Adam):
    """torch.optim.Adam, computed by the same code; it is never inside of what is compiled.

    Torch wraps these methods so that a compiled function leaves them out, and to do so imports `torch._dynamo` when
    they are first called. Here they are as torch wrote them, without the wrapping.
    """

    add_param_group = inspect.unwrap(_Optimizer.add_param_group)
    zero_grad = inspect.unwrap(_Optimizer.zero_grad)
    state_dict = inspect.unwrap(_Optimizer.state_dict)
    load_state_dict = inspect.unwrap(_Optimizer.load_state_dict)

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
