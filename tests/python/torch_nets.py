"""Networks that torch plays, and one that remembers, which the engine plays."""

import torch


class Gated(torch.nn.Module):
    """Two layers with a gate between them; `sizes` come from the environment."""

    def __init__(self, obs_shape, num_actions, width=32):
        super().__init__()
        self.num_actions = num_actions
        self.width = width
        num_features = torch.Size(obs_shape).numel()
        self.first, self.gate = (torch.nn.Linear(num_features, width) for _ in range(2))
        self.heads = torch.nn.Linear(width, num_actions + 1)

    def arguments(self):
        return {"width": self.width}

    def forward(self, x):
        x = x.flatten(1)
        outputs = self.heads(torch.tanh(self.first(x)) * torch.sigmoid(self.gate(x)))
        return outputs[:, : self.num_actions], outputs[:, self.num_actions]


class Remembering(torch.nn.Module):
    """A GRU between two layers."""

    def __init__(self, obs_shape, num_actions, width=16):
        super().__init__()
        self.num_actions, self.state_size = num_actions, width
        self.num_axes = len(obs_shape)
        self.first = torch.nn.Linear(torch.Size(obs_shape).numel(), width)
        self.cell = torch.nn.GRU(width, width, batch_first=True)
        self.heads = torch.nn.Linear(width, num_actions + 1)

    def initial_state(self, batch_size):
        return torch.full((batch_size, self.state_size), 0.5)

    def forward(self, x, state):
        is_step = x.dim() == 1 + self.num_axes
        x = x.flatten(x.dim() - self.num_axes)
        x = torch.tanh(self.first(x[:, None] if is_step else x))
        outputs, state = self.cell(x, state[None].contiguous())
        outputs = self.heads(outputs[:, 0] if is_step else outputs)
        return outputs[..., : self.num_actions], outputs[..., self.num_actions], state[0]


class GatedMemory(Remembering):
    """The same with a gate behind it, which the engine does not know."""

    def forward(self, x, state):
        logits, value, state = super().forward(x, state)
        return logits * torch.sigmoid(logits), value, state


class Answering(torch.nn.Module):
    """Returns whatever it was given."""

    def __init__(self, told):
        super().__init__()
        self.told = told
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.told(x)


class Plain(torch.nn.Module):
    """Layers that the engine has, with the function of torch.nn between them that is asked for."""

    def __init__(self, obs_shape, num_actions, function="Tanh"):
        super().__init__()
        self.function = function
        num_features = torch.Size(obs_shape).numel()
        self.first, self.between = torch.nn.Linear(num_features, 8), getattr(torch.nn, function)()
        self.actor, self.critic = torch.nn.Linear(8, num_actions), torch.nn.Linear(8, 1)

    def arguments(self):
        return {"function": self.function}

    def forward(self, x):
        x = self.between(self.first(x.flatten(1)))
        return self.actor(x), self.critic(x)
