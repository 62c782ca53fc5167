"""`twisterl export`."""

from __future__ import annotations

import argparse

from twisterl.faults import ConfigError, Fault

DESCRIPTION = "Write the policy of a run for programs without twisterl."
EPILOG = """\
examples:
  twisterl export runs/ppo_puzzle8_v1 --onnx policy.onnx
      for onnxruntime: observation [N, F] to logits [N, A] and value [N, 1]; the metadata names the
      environment, its actions and what the numbers mean
  twisterl export runs/ppo_puzzle8_v1 --safetensors policy.safetensors
      for the Rust crate, which plays and searches with it: rust/examples/solve.rs

Both may be given at once. ONNX needs the extra `export` of the package."""


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.cli import player

    player.add_options(parser)
    parser.add_argument("--onnx", metavar="FILE", help="an ONNX model of the network")
    parser.add_argument("--safetensors", metavar="FILE", help="weights, network and environment")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli import player
    from twisterl.cli.outputs import all_writable
    from twisterl.cli.signals import interruptible
    from twisterl.config.build import build_player
    from twisterl.runs.files import write_atomic

    asked = {"--onnx": arguments.onnx, "--safetensors": arguments.safetensors}
    paths = all_writable(asked)
    if not paths:
        problem = "is missing; expected --onnx FILE or --safetensors FILE"
        raise ConfigError([Fault("format", problem)], "command line")
    with interruptible():
        saved = player.read(arguments.run, trust=arguments.trust)
        checkpoint = arguments.checkpoint
        if checkpoint in ("best", "last"):
            checkpoint = saved.folder.weights_path(checkpoint)
        part = saved.config.env
        env, policy = build_player(saved.config, checkpoint, trust=saved.trust)
        files = []
        if "--onnx" in paths:
            from twisterl.export import onnx

            files.append((paths["--onnx"], onnx.encode(part, env, policy)))
        if "--safetensors" in paths:
            from twisterl.export import policy_file

            files.append((paths["--safetensors"], policy_file.encode(part, env, policy)))
        for path, content in files:
            write_atomic(path, content)
            print(f"{path}: {len(content):,} bytes")
    return 0
