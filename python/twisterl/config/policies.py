"""What the policies of this package take: the section `policy`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

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


class MultiInputPolicyArguments(TorchArguments):
    """Of several parts: convolutions over each image, a layer of each vector, and one of all."""


class RecurrentActorCriticArguments(TorchArguments):
    """A layer, then a memory."""

    core: Literal["lstm", "gru", "rnn"] = Field("lstm", description="what remembers")
    input_size: Width = Field(128, description="width of the first layer")
    hidden_size: Width = Field(128, description="width of the memory")
    num_layers: Annotated[int, Field(ge=1, le=64)] = Field(1, description="layers of the memory")


Nonlinearity = Literal[
    "elu", "gelu", "identity", "relu", "sigmoid", "squared_relu", "swish", "tanh"
]
Layers = Annotated[int, Field(ge=1, le=64)]
Share = Annotated[float, Field(ge=0, lt=1)]


class PyradoArguments(TorchArguments):
    """A recurrent policy of Pyrado's kind, and a layer from its outputs to what decides."""

    outputs: Width | None = Field(
        None, description="numbers that it says; null: one for each choice or number of an action"
    )
    init_param_kwargs: dict[str, Any] | None = Field(
        None, description="how parameters begin, for twisterl.nn.init_param"
    )


class GRUPolicyArguments(PyradoArguments):
    """Recurrent layers and a layer behind them."""

    hidden_size: Width = Field(description="width of the recurrent layers")
    num_recurrent_layers: Layers = Field(description="how many")
    output_nonlin: Nonlinearity | None = Field(None, description="of the outputs")
    dropout: Share = Field(0.0, description="left out between two layers in training")


class LSTMPolicyArguments(GRUPolicyArguments):
    """As GRUPolicy."""


class RNNPolicyArguments(GRUPolicyArguments):
    """As GRUPolicy."""

    hidden_nonlin: Literal["tanh", "relu"] = Field("tanh", description="of the recurrent layers")


class TwoHeadedGRUPolicyArguments(PyradoArguments):
    """Recurrent layers and two layers behind them, of which the first decides."""

    shared_hidden_size: Width = Field(description="width of the recurrent layers")
    shared_num_recurrent_layers: Layers = Field(description="how many")
    head_1_size: Width | None = Field(None, description="null: the width of an action")
    head_2_size: Width | None = Field(None, description="null: the width of an action")
    head_1_output_nonlin: Nonlinearity | None = Field(None, description="of the first output")
    head_2_output_nonlin: Nonlinearity | None = Field(None, description="of the second output")
    shared_dropout: Share = Field(0.0, description="left out between two layers in training")


class TwoHeadedLSTMPolicyArguments(TwoHeadedGRUPolicyArguments):
    """As TwoHeadedGRUPolicy."""


class TwoHeadedRNNPolicyArguments(TwoHeadedGRUPolicyArguments):
    """As TwoHeadedGRUPolicy."""

    shared_hidden_nonlin: Literal["tanh", "relu"] = Field(
        "tanh", description="of the recurrent layers"
    )


class PotentialArguments(PyradoArguments):
    """Neurons whose potentials change in time."""

    obs_layer: Widths | None = Field(
        None, description="widths of layers of tanh before the stimuli; null: one layer, no bias"
    )
    tau_init: Annotated[float, Field(gt=0)] = Field(10.0, description="time constant, in steps")
    tau_learnable: bool = Field(True, description="whether it is learned")
    kappa_learnable: bool = Field(True, description="whether the cubic decay is learned")
    potential_init_learnable: bool = Field(
        False, description="whether the potentials begin at drawn numbers, not at fixed ones"
    )


class ADNPolicyArguments(PotentialArguments):
    """An activation dynamic network: a neuron for each of its outputs."""

    activation_nonlin: Nonlinearity | list[Nonlinearity] = Field(
        description="of the potentials; or a list of one for each neuron"
    )
    potentials_dyn_fcn: Literal[
        "pd_linear",
        "pd_cubic",
        "pd_capacity_21",
        "pd_capacity_21_abs",
        "pd_capacity_32",
        "pd_capacity_32_abs",
    ] = Field(description="how potentials change")
    kappa_init: Annotated[float, Field(ge=0)] = Field(1e-3, description="cubic decay of pd_cubic")
    capacity_learnable: bool = Field(True, description="whether the capacity is learned")


class NFPolicyArguments(PotentialArguments):
    """A neural field: neurons in a row, whose stimuli are a convolution."""

    hidden_size: Annotated[int, Field(ge=2, le=65536)] = Field(description="neurons")
    activation_nonlin: Nonlinearity = Field("sigmoid", description="of the potentials")
    mirrored_conv_weights: bool = Field(True, description="whether the kernel is symmetric")
    conv_out_channels: Width = Field(1, description="kernels, whose outputs are summed")
    conv_kernel_size: Width | None = Field(
        None, description="width of a kernel, odd ones are kept; null: all neurons"
    )
    conv_padding_mode: Literal["circular", "reflected", "zeros"] = Field(
        "circular", description="what is beyond the row"
    )
    kappa_init: Annotated[float, Field(ge=0)] = Field(0.0, description="cubic decay; 0: none")


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
    "MultiInputPolicy": MultiInputPolicyArguments,
    "RecurrentActorCritic": RecurrentActorCriticArguments,
    "RNNPolicy": RNNPolicyArguments,
    "GRUPolicy": GRUPolicyArguments,
    "LSTMPolicy": LSTMPolicyArguments,
    "TwoHeadedRNNPolicy": TwoHeadedRNNPolicyArguments,
    "TwoHeadedGRUPolicy": TwoHeadedGRUPolicyArguments,
    "TwoHeadedLSTMPolicy": TwoHeadedLSTMPolicyArguments,
    "ADNPolicy": ADNPolicyArguments,
    "NFPolicy": NFPolicyArguments,
}
