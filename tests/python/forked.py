"""Commands of ours as processes that share nothing but what they have imported."""

import multiprocessing
import os
import sys


def cli_forked(folder, words, environment):
    """The status of `twisterl` with `words`, and what it prints to its two streams.

    It keeps all that it may, however fast it was made; its output passes through files of `folder`.
    Its process is a copy of one that has imported the commands and done nothing: importing them
    takes twice as long as a small command.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["twisterl.cli.player", "twisterl.config.build"])
    paths = [os.path.join(folder, name) for name in ("out", "err")]
    process = context.Process(target=_command, args=(paths, words, environment))
    process.start()
    process.join(300)
    texts = []
    for path in paths:
        with open(path) as file:
            texts.append(file.read())
        os.remove(path)
    return process.exitcode, *texts


def _command(paths, words, environment):
    for stream, path in ((1, paths[0]), (2, paths[1])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), stream)
    os.environ.update(environment)
    from twisterl import cache, cli

    cache._MOST_BYTES_A_SECOND = float("inf")
    sys.exit(cli.main(words))
