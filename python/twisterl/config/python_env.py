"""What an environment of Python takes: the section `env` beside those of the compiled ones."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from twisterl.config.values import Section


class PyEnvArguments(Section):
    """An environment written in Python; the other keys are arguments of its class."""

    model_config = ConfigDict(extra="allow")
    pyenv_cls: str = Field(description="dotted path of the class")
