"""Environments written in Python, ready for the engine."""

from typing import Any

from twisterl import twisterl as _extension
from twisterl.envs.protocol import PythonEnvironment


class PyEnv(_extension.env.PyEnv):
    """An environment written in Python, ready for collecting, evaluating and solving.

    ``pyenv_cls`` is a class, its dotted path, or an object that is an environment already;
    ``env_config`` are the arguments of the class.

    Raises TypeError naming the methods that are missing, and ValueError if the number of
    actions, the shape of the observation or a twist is wrong.
    """

    _given: tuple[type, dict[str, Any]] | None

    def __new__(
        cls, pyenv_cls: str | type[PythonEnvironment] | PythonEnvironment, **env_config: Any
    ) -> "PyEnv":
        if isinstance(pyenv_cls, str):
            from twisterl.config.resolve import import_class

            pyenv_cls = import_class("env.pyenv_cls", pyenv_cls)
        if isinstance(pyenv_cls, type):
            env = super().__new__(cls, pyenv_cls(**env_config))
            env._given = pyenv_cls, env_config
            return env
        if env_config:
            names = ", ".join(sorted(env_config))
            raise TypeError(
                f"pyenv_cls: expected a class to give {names} to, "
                f"got an object of type {type(pyenv_cls).__name__}"
            )
        env = super().__new__(cls, pyenv_cls)
        env._given = None
        return env

    def arguments(self) -> dict[str, Any]:
        """The arguments that make an equal environment, its state apart: what a config's `env` is.

        Raises ValueError if they are not known: only an object was given, and it does not tell.
        """
        from twisterl.config.constructed import constructed, dotted_path

        inner, given = self._given or (type(self.python_env), constructed(self.python_env))
        return {"pyenv_cls": dotted_path(inner), **given}
