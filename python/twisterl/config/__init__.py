"""The run config: what each key means, its default and its range, and the way from it to objects.

A config is JSON with the sections `env_cls`, `env`, `policy_cls`, `policy`, `algorithm_cls` and
`algorithm`. The models here are the one place that says what `algorithm` may hold, and what `env`
and `policy` may hold for the classes of this package; for other classes these two are passed to
the constructor as they are. A missing key takes its default, at every level; an unknown one is
refused. `specs/config.schema.json` is written from here:

    python -m twisterl.config.schema --write specs/config.schema.json

A config goes one way, once:

    json        bytes to a value; `overrides` puts the keys of a command line into it
    validation  the value to a `RunConfig` of models, with every fault at once
    resolve     names to classes, those of other packages where `trust` allows
    build       models and classes to environment, policy and algorithm

Models stand here and not with the classes that they describe, since those import torch, which
neither checking a config nor writing its schema needs.
"""
