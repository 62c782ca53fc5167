"""What the policies of this package take: the section `policy`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from twisterl.config.values import Natural, Section, Width, Widths


class BasicPolicyArguments(Section):
    """Embedding bag, common layers, then one stack for the policy and one for the value."""

    embedding_size: Width = Field(512, description="width of the first layer")
    common_layers: Widths = Field([256], description="widths of the layers of both heads")
    policy_layers: Widths = Field([], description="widths of further layers before the logits")
    value_layers: Widths = Field([], description="widths of further layers before the value")
    twists: bool = Field(True, description="whether it sees the symmetries of the environment")
    squash: bool = Field(
        False,
        description="whether actions that are numbers are tanh of what is drawn, or cut off",
    )
    device: str | None = Field(
        None, exclude=True, description="what algorithm.device is where that is null"
    )


class Conv1dPolicyArguments(BasicPolicyArguments):
    """As BasicPolicy, with weights shared along one axis of a two-dimensional observation."""

    conv_dim: Annotated[int, Field(ge=0, le=1)] = Field(
        0, description="axis of the observation that is the channels"
    )


class TorchArguments(Section):
    """A network that torch plays."""

    device: str | None = Field(
        None, exclude=True, description="what algorithm.device is where that is null"
    )


class MLPPolicyArguments(TorchArguments):
    """Two layers of one width."""

    hidden_size: Width = Field(256, description="width of the layers")


class ResidualPolicyArguments(TorchArguments):
    """A layer, then blocks that add to it."""

    num_blocks: Natural = Field(4, description="blocks of two layers")
    hidden_size: Width = Field(256, description="width of all layers")


class AttentionPolicyArguments(TorchArguments):
    """Self-attention over the rows of an observation, or over the numbers of a vector."""

    d_model: Width = Field(256, description="width of a token; a multiple of nhead")
    nhead: Width = Field(8, description="attention heads")


class ContinuousPolicyArguments(MLPPolicyArguments):
    """Two layers of one width, for actions that are numbers: tanh of what is drawn."""


class NormalizedPolicyArguments(MLPPolicyArguments):
    """Two layers of one width over numbers made normal by the statistics of all rollouts."""


class SharedMultiAgentPolicyArguments(TorchArguments):
    """A layer that all agents share, each of which sees its own part of an observation."""

    num_agents: Width = Field(description="agents; each has a choice, or as many as the others")
    hidden_size: Width = Field(256, description="width of the layer")


class IndependentMultiAgentPolicyArguments(SharedMultiAgentPolicyArguments):
    """Two layers for each agent, which sees its own part of an observation."""


class CNNPolicyArguments(TorchArguments):
    """Three convolutions over images [channels, height, width] of at least 36 x 36."""

    hidden_size: Width = Field(512, description="width of the layer behind the convolutions")


class ImpalaPolicyArguments(TorchArguments):
    """Residual convolutions over images [channels, height, width]."""

    widths: Widths = Field([16, 32, 32], description="channels of each stage")
    hidden_size: Width = Field(256, description="width of the layer behind the convolutions")


class RecurrentActorCriticArguments(TorchArguments):
    """A layer, then a memory."""

    core: Literal["lstm", "gru", "rnn"] = Field("lstm", description="what remembers")
    input_size: Width = Field(128, description="width of the first layer")
    hidden_size: Width = Field(128, description="width of the memory")
    num_layers: Annotated[int, Field(ge=1, le=64)] = Field(1, description="layers of the memory")


POLICIES: dict[str, type[BaseModel]] = {
    "BasicPolicy": BasicPolicyArguments,
    "Conv1dPolicy": Conv1dPolicyArguments,
    "MLPPolicy": MLPPolicyArguments,
    "ResidualPolicy": ResidualPolicyArguments,
    "AttentionPolicy": AttentionPolicyArguments,
    "ContinuousPolicy": ContinuousPolicyArguments,
    "NormalizedPolicy": NormalizedPolicyArguments,
    "SharedMultiAgentPolicy": SharedMultiAgentPolicyArguments,
    "IndependentMultiAgentPolicy": IndependentMultiAgentPolicyArguments,
    "CNNPolicy": CNNPolicyArguments,
    "ImpalaPolicy": ImpalaPolicyArguments,
    "RecurrentActorCritic": RecurrentActorCriticArguments,
}
