"""Compiled modules from files, under names of their own."""

import importlib.machinery
import importlib.util


def load_extension(path, name):
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module
