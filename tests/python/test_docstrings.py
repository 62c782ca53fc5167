"""Everything compiled says what it is, what it takes and of which type its arrays are."""

import ast
import inspect
import re
from pathlib import Path

from twisterl import twisterl

MODULES = {"env": twisterl.env, "nn": twisterl.nn, "collector": twisterl.collector}
STUBS = Path(inspect.getfile(twisterl)).parent / "twisterl"
DTYPES = ("float32", "int32", "int64", "bool_")
ALIASES = {"_Floats": "float32", "_Ints": "int64", "_Bools": "bool_"}
# Of functions that take any arguments, and arguments that no program names.
UNNAMED = ("self", "cls", "args", "kwargs", "memo", "_memo")


def stubs():
    """(dotted name, its node) of all that the stubs declare."""
    for module in MODULES:
        for node in ast.parse((STUBS / f"{module}.pyi").read_text("utf-8")).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                yield f"{module}.{node.name}", node
            for member in node.body if isinstance(node, ast.ClassDef) else []:
                # What is assigned has the docstring of what is read.
                decorators = getattr(member, "decorator_list", [])
                is_setter = any("setter" in ast.unparse(each) for each in decorators)
                if isinstance(member, ast.FunctionDef) and not is_setter:
                    yield f"{module}.{node.name}.{member.name}", member
                elif isinstance(member, ast.AnnAssign) and member.target.id != "METHODS":
                    yield f"{module}.{node.name}.{member.target.id}", member


def found(name):
    """What a dotted name leads to; constructors are described by their class."""
    module, *names = name.removesuffix(".__new__").split(".")
    value = MODULES[module]
    for each in names:
        value = inspect.getattr_static(value, each)
    return value.__func__ if isinstance(value, staticmethod) else value


DECLARED = dict(stubs())


def test_modules_say_what_they_have():
    for module in (twisterl, *MODULES.values()):
        assert re.fullmatch(r"[A-Z][^\n]+\.", module.__doc__), module.__name__


def test_everything_has_a_docstring_of_its_own():
    faults = []
    for name in DECLARED:
        value = found(name)
        inherited = value.__doc__ == type(value).__doc__
        if inherited or not re.fullmatch(r"(?s)\S.*[.:]", value.__doc__ or ""):
            faults.append((name, None if inherited else value.__doc__))
    assert not faults


def arguments(name):
    """Those of the stub, and those of the compiled signature: a stub cannot name `lambda`."""
    node = DECLARED[name]
    named = []
    if isinstance(node, ast.FunctionDef):
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        named = [each.arg for each in every if each is not None]
    told = getattr(found(name), "__text_signature__", None) or ""
    if "**parameters" in told:
        return {"parameters"}
    named += re.findall(r"(?<![\w\"=])[a-zA-Z]\w*(?=[,=)])", told)
    return {*named} - {*UNNAMED, "True", "False", "None"}


def test_every_argument_is_named():
    unnamed = {
        name: missing
        for name in DECLARED
        if (missing := [a for a in sorted(arguments(name)) if f"`{a}`" not in found(name).__doc__])
    }
    assert not unnamed


def test_the_types_of_arrays_are_named():
    unnamed = []
    for name, node in DECLARED.items():
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        words = re.findall(r"\w+", ast.unparse(annotation)) if annotation else []
        types = {ALIASES.get(word, word) for word in words} & set(DTYPES)
        unnamed += [(name, each) for each in types if each.strip("_") not in found(name).__doc__]
    assert not unnamed


def test_the_stubs_declare_everything():
    for name, module in MODULES.items():
        public = {each for each in vars(module) if not each.startswith("_")}
        assert public - {"ENVIRONMENTS", "TASKS"} == {
            each.split(".")[1] for each in DECLARED if each.startswith(f"{name}.")
        }
        for each, kind in inspect.getmembers(module, inspect.isclass):
            own = {member for member in vars(kind) if not member.startswith("_")} - {"METHODS"}
            assert own <= {n.split(".")[-1] for n in DECLARED if n.startswith(f"{name}.{each}.")}
