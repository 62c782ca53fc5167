"""Networks that the engine does not play by itself."""

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


class Answering(torch.nn.Module):
    """Returns whatever it was given."""

    def __init__(self, told):
        super().__init__()
        self.told = told
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.told(x)
