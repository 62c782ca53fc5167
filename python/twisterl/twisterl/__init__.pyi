"""The compiled engine."""

from twisterl.twisterl import collector as collector
from twisterl.twisterl import env as env
from twisterl.twisterl import nn as nn

__all__ = ["__version__", "collector", "env", "nn"]
__version__: str
