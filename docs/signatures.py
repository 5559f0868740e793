"""Extension of the API reference: signatures of classes whose constructor follows from their fields.

Griffe reads the sources without importing them. It knows the constructors of dataclasses; equinox modules, named tuples and
pydantic models have one too, by the same rule.
"""

from griffe import (
    Attribute,
    Class,
    ExprCall,
    ExprLambda,
    Extension,
    Function,
    Module,
    Parameter,
    ParameterKind,
    Parameters,
)

ROOTS = {"equinox.Module", "typing.NamedTuple", "pydantic.BaseModel"}
FIELDS = {"equinox.field", "dataclasses.field", "pydantic.Field"}


def _bases(cls: Class) -> list[str]:
    return [getattr(base, "canonical_path", str(base)).partition("[")[0] for base in cls.bases]


def _ancestors(cls: Class) -> list[Class]:
    try:
        return cls.mro()
    except ValueError:
        return []


def _default(value):
    """Default of a field, or None if it has none; the arguments of `field(…)` are read."""
    if not (isinstance(value, ExprCall) and value.canonical_path in FIELDS):
        return value, "True", "False"
    given = {argument.name: argument.value for argument in value.arguments if hasattr(argument, "name")}
    positional = [argument for argument in value.arguments if not hasattr(argument, "value")]
    default = given.get("default", positional[0] if positional else None)
    if "default_factory" in given:
        factory = given["default_factory"]
        default = factory.body if isinstance(factory, ExprLambda) else ExprCall(function=factory, arguments=[])
    return default, str(given.get("init", "True")), str(given.get("kw_only", "False"))


def _parameters(cls: Class) -> dict[str, Parameter]:
    parameters = {}
    for name, member in cls.members.items():
        if not isinstance(member, Attribute) or member.annotation is None or "property" in member.labels:
            continue
        if "class-attribute" in member.labels and "instance-attribute" not in member.labels:  # ClassVar
            continue
        default, init, keyword_only = _default(member.value)
        if init == "False" or name.startswith("_"):
            continue
        kind = ParameterKind.keyword_only if keyword_only == "True" else ParameterKind.positional_or_keyword
        parameters[name] = Parameter(name, annotation=member.annotation, kind=kind, default=default)
    return parameters


class FieldSignatures(Extension):
    """Give the classes described above the constructor that their fields define."""

    def on_package(self, *, pkg: Module, **kwargs) -> None:
        self._generated: set[str] = set()
        self._visit(pkg)

    def _visit(self, parent: Module | Class) -> None:
        for member in list(parent.members.values()):
            if member.is_alias:
                continue
            if isinstance(member, Class):
                self._complete(member)
            if isinstance(member, (Class, Module)):
                self._visit(member)

    def _complete(self, cls: Class) -> None:
        line = [*reversed(_ancestors(cls)), cls]
        if "__init__" in cls.members or not any(base in ROOTS for c in line for base in _bases(c)):
            return
        if any("__init__" in c.members and c.path not in self._generated for c in line):
            return
        parameters: dict[str, Parameter] = {}
        for ancestor in line:
            for name, parameter in _parameters(ancestor).items():
                parameters[name] = parameter
        if not parameters:
            return
        this = Parameter("self", kind=ParameterKind.positional_or_keyword)
        ordered = sorted(parameters.values(), key=lambda p: p.kind is ParameterKind.keyword_only)
        init = Function("__init__", parent=cls, parameters=Parameters(this, *ordered), returns="None")
        self._generated.add(cls.path)
        cls.set_member("__init__", init)
