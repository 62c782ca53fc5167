"""Runs a program as where some packages are not installed: python without.py NAMES FILE.

NAMES are separated by commas; FILE is "-" for standard input. Neither the program nor what it
imports finds them.
"""

import sys
from importlib.machinery import PathFinder

names = sys.argv[1].split(",")


class Found(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] in names:
            return None
        return PathFinder.find_spec(fullname, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Found
if sys.argv[2] == "-":
    source = sys.stdin.read()
else:
    with open(sys.argv[2]) as file:
        source = file.read()
exec(compile(source, sys.argv[2], "exec"), {"__name__": "__main__"})
