"""A trained run as one page that plays without a network: the engine and the weights inside.

The parts of the page lie beside this file, in `page`; the engine is `rust/web`, built for
WebAssembly by `make web-module`.
"""

from twisterl.web.assemble import assemble
from twisterl.web.engine import engine

__all__ = ["assemble", "engine"]
