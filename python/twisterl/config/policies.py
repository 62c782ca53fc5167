"""What the policies of this package take: the section `policy`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from twisterl.config.values import Section, Width, Widths


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


POLICIES: dict[str, type[BaseModel]] = {
    "BasicPolicy": BasicPolicyArguments,
    "Conv1dPolicy": Conv1dPolicyArguments,
}
