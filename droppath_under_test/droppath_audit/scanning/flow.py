"""Where values of a function come from: its input, a probability, a draw; and where they meet.

A coarse reading of the syntax tree: what an expression is made of, it has. No branch is excluded, and a name keeps what
it once was given. That is enough to tell a layer that drops paths from one that only calls it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from droppath_audit.scanning.drawing import DrawingCalls
from droppath_audit.scanning.extents import ELEMENT, SAMPLE, Extents
from droppath_audit.scanning.meetings import (
    DRAWN,
    DROPOUT,
    INPUT,
    LAW,
    MODE,
    NAMED_LAYER,
    NOTHING,
    NULL,
    ONES,
    PATH,
    PROB,
    WEAK,
    Meeting,
    Seen,
    Tags,
)
from droppath_audit.scanning.names import named, strength
from droppath_audit.scanning.reading import Function, last, root_of
from droppath_audit.scanning.vocabulary import LAWS, MEASURES, OF_A_TENSOR, PRODUCTS, SELECTIONS
from droppath_audit.targets import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from droppath_audit.scanning.reading import Source

INLINED = 3  # calls within calls that are followed


class Flow:
    """Follows values through one function.

    Args:
        source: Its file.
        function: It.
        owner: Name of the definition that it belongs to, by which a bare number is read.
        methods: Methods of its object, by name; none for a function.
        held: What the attributes of its object are made of.
        given: What its arguments are made of; by default the first is the input, and others are read by their names.
        depth: Calls that led here.
    """

    def __init__(
        self,
        source: Source,
        function: Function,
        owner: str,
        *,
        methods: Mapping[str, Function] | None = None,
        held: dict[str, Tags] | None = None,
        given: Mapping[str, Tags] | None = None,
        depth: int = 0,
    ) -> None:
        self._source, self._function, self._owner, self._depth = source, function, owner, depth
        self._methods, self.held = methods, {} if held is None else held
        self._values: dict[str, Tags] = {}
        self._made: dict[str, list[ast.expr]] = {}
        self._shortened: set[str] = set()
        self._extents = Extents(self._made, self._shortened)
        self._loops = 0
        self.seen, self._self = Seen(), ""
        self._enter(given)
        self._draws = DrawingCalls(source, self._extents, self._values, self._self, self._tags)

    def follow(self) -> Seen:
        """Return what is seen from the first statement to the last."""
        self.seen.moded = any(MODE in tags for tags in self._values.values())
        self._body(self._function.body)
        return self.seen

    def _enter(self, given: Mapping[str, Tags] | None) -> None:
        arguments = self._function.args
        names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        static = any(getattr(one, "id", "") == "staticmethod" for one in self._function.decorator_list)
        if self._methods is not None and names and not static:
            self._self = names.pop(0)
        names += [argument.arg for argument in arguments.kwonlyargs]
        names += [argument.arg for argument in (arguments.vararg,) if argument is not None]
        annotations = {
            argument.arg: ast.unparse(argument.annotation)
            for argument in ast.walk(arguments)
            if isinstance(argument, ast.arg) and argument.annotation is not None
        }
        tensors = 0
        for name in names:
            if given is not None and name in given:
                self._values[name] = given[name]
                continue
            said = self._said(name)
            kind = annotations.get(name, "")
            if (
                not said
                and not any(word in kind for word in ("float", "int", "bool", "str"))
                and name not in words.KEYS
            ):
                tensors += 1
                # Of several arguments without a meaning the first is the input, and those that are called like one.
                if given is None and (tensors == 1 or "Tensor" in kind or words.tensor(name)):
                    said = frozenset({INPUT})
            self._values[name] = said

    def _said(self, name: str) -> Tags:
        if words.mode(name) is not None:
            return frozenset({MODE})
        return strength(name, self._owner)

    # Statements

    def _body(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign):
            tags = self._tags(node.value)
            for target in node.targets:
                self._assign(target, node.value, tags)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._assign(node.target, node.value, self._tags(node.value))
        elif isinstance(node, ast.AugAssign):
            left, right = self._tags(node.target), self._tags(node.value)
            both = left | right
            if isinstance(node.op, (ast.Mult, ast.Div)) and self._meet("product", [left, right]):
                both -= DRAWN
            self._assign(node.target, None, both)
        elif isinstance(node, ast.Return):
            if node.value is not None:
                self.seen.returned |= self._tags(node.value)
        elif isinstance(node, ast.If):
            self._gate(self._tags(node.test), [*node.body, *node.orelse])
            self._body([*node.body, *node.orelse])
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            tags = self._tags(node.iter)
            self._assign(node.target, None, tags)
            self._loops += 1
            for _ in range(2):  # what the end of a loop gives a name, its beginning may use
                self._body([*node.body, *node.orelse])
            self._loops -= 1
        elif isinstance(node, Function):
            before = self.seen.returned
            self._body(node.body)
            self._values[node.name] = self.seen.returned - before - {INPUT}
        elif not isinstance(node, ast.ClassDef):
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.stmt):
                    self._statement(part)
                elif isinstance(part, ast.ExceptHandler):
                    self._body(part.body)
                elif isinstance(part, ast.withitem):
                    self._tags(part.context_expr)
                elif isinstance(part, ast.expr):
                    self._tags(part)

    def _assign(self, target: ast.expr, value: ast.expr | None, tags: Tags) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            values = (
                value.elts if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts) else None
            )
            for number, element in enumerate(target.elts):
                self._assign(
                    element, values[number] if values else None, self._tags(values[number]) if values else tags
                )
        elif isinstance(target, ast.Starred):
            self._assign(target.value, None, tags)
        elif isinstance(target, ast.Name):
            self._values[target.id] = self._values.get(target.id, NOTHING) | tags
            if value is not None and value not in self._made.setdefault(target.id, []):
                self._made[target.id].append(value)
        elif isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == self._self:
            self.held[target.attr] = self.held.get(target.attr, NOTHING) | (tags - {INPUT})
        elif isinstance(target, ast.Subscript):
            base, index = self._tags(target.value), self._tags(target.slice)
            if INPUT in base and not isinstance(target.slice, ast.Tuple):
                self._meet("selection", [base, index])
            root = root_of(target)
            if root:
                self._values[root] = self._values.get(root, NOTHING) | tags | (index & (DRAWN | {PROB, WEAK, PATH}))
                if isinstance(value, ast.Constant) and value.value == 1 and not index & DRAWN:
                    self._shortened.add(root)

    # Expressions

    def _tags(self, node: ast.expr) -> Tags:
        if isinstance(node, ast.Name):
            return self._values.get(node.id, NOTHING)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.BinOp):
            left, right = self._tags(node.left), self._tags(node.right)
            met = isinstance(node.op, (ast.Mult, ast.Div)) and self._meet("product", [left, right])
            return (left | right) - DRAWN if met else left | right
        if isinstance(node, ast.Subscript):
            base, index = self._tags(node.value), self._tags(node.slice)
            if not isinstance(node.slice, ast.Tuple):
                self._meet("selection", [base, index])
            return base | index
        if isinstance(node, ast.IfExp):
            test, sides = self._tags(node.test), self._tags(node.body) | self._tags(node.orelse)
            if test & DRAWN and INPUT in sides:
                self._note("gate", test)
            return sides | test if test & DRAWN else sides
        if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
            for generator in node.generators:
                self._assign(generator.target, None, self._tags(generator.iter))
            return self._tags(node.elt)
        if isinstance(node, ast.NamedExpr):
            named_tags = self._tags(node.value)
            self._assign(node.target, node.value, named_tags)
            return named_tags
        if isinstance(node, ast.Lambda):
            for argument in node.args.args:
                self._values.setdefault(argument.arg, self._said(argument.arg))
            return self._tags(node.body)
        if isinstance(node, ast.Constant):
            return frozenset({NULL}) if node.value in (0, None) and node.value is not False else NOTHING
        return frozenset().union(
            *(self._tags(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
        )

    def _attribute(self, node: ast.Attribute) -> Tags:
        if self._self and getattr(node.value, "id", "") == self._self:
            said = self._said(node.attr)
            self.seen.moded |= MODE in said
            return self.held.get(node.attr, NOTHING) | said
        inner = self._tags(node.value)
        if node.attr in OF_A_TENSOR:
            return inner - {INPUT} - DRAWN
        return inner | (self._said(node.attr) & {PATH, PROB})

    def _call(self, node: ast.Call) -> Tags:
        name, receiver = last(node.func), node.func.value if isinstance(node.func, ast.Attribute) else None
        own = self._tags(receiver) if receiver is not None else NOTHING
        if not isinstance(node.func, (ast.Attribute, ast.Name)):
            own = self._tags(node.func)
        elif isinstance(node.func, ast.Name):
            own = self._values.get(name, NOTHING)
        elif self._self and getattr(receiver, "id", "") == self._self:
            own = self.held.get(name, NOTHING) | strength(name, self._owner)
        arguments = [self._tags(argument) for argument in node.args]
        keywords = {keyword.arg or "": self._tags(keyword.value) for keyword in node.keywords}
        operands = [own, *arguments, *keywords.values()]
        together = frozenset().union(*operands)
        self.seen.moded |= MODE in together
        followed = self._follow(name, receiver, arguments, keywords)
        if followed is not None:
            return followed
        drawn = self._draws.kind(node, own)
        if drawn:
            result = (together - {INPUT}) | {drawn}
            self._in_place(node, result)
            return result
        if name in LAWS:
            return together | {LAW}
        if "dropout" in words.words(name) or name in ("Dropout", "dropout") or DROPOUT in own:
            return self._dropout(node, together, arguments)
        if name in ("ones", "new_ones", "ones_like"):
            return (together - {INPUT}) | {ONES}
        if name in ("zeros", "new_zeros", "zeros_like", "zero_"):
            return (together - {INPUT}) | {NULL}
        if name in ("full", "full_like", "new_full", "eye"):
            return together - {INPUT}
        if name in MEASURES:
            return together - {INPUT} - DRAWN
        if name in PRODUCTS:
            if self._meet("product", operands):
                together -= DRAWN
        elif name in SELECTIONS:
            self._selection(node, name, operands)
        elif INPUT in together - {MODE}:
            self._pass_on(node.func)
        self._in_place(node, together)
        if named(name) or NAMED_LAYER in own or named(self._source.origins.get(name, "").split(".")[-1]):
            together |= {NAMED_LAYER}
        return together

    def _pass_on(self, function: ast.expr) -> None:
        text = self._source.dotted(function) or ast.unparse(function)
        root = root_of(function)
        # A method of a tensor passes nothing on, nor does a function of a framework by its short name.
        if root == self._self or root in {*self._source.functions, *self._source.classes} or named(text.split(".")[-1]):
            self.seen.passed_on.add(text)

    def _selection(self, node: ast.Call, name: str, operands: Sequence[Tags]) -> None:
        """Note a selection, unless what replaces the input is something of its own, such as an embedding."""
        if name in ("where", "cond", "select") and len(node.args) == 3:
            others = [self._tags(argument) for argument in node.args[1:]]
            if not all(other & {INPUT, NULL} for other in others):
                return
        if name.startswith("masked_fill") and len(node.args) > 1 and NULL not in self._tags(node.args[1]):
            return
        self._meet("selection", operands)

    def _in_place(self, node: ast.Call, tags: Tags) -> None:
        root = root_of(node.func)
        if last(node.func).endswith("_") and root and root in self._values:
            self._values[root] |= tags

    def _follow(
        self,
        name: str,
        receiver: ast.expr | None,
        arguments: Sequence[Tags],
        keywords: Mapping[str, Tags],
    ) -> Tags | None:
        """Return what a function or method of the same file returns for what it is given; None for another's."""
        own = self._self and getattr(receiver, "id", "") == self._self
        function = (
            (self._methods or {}).get(name) if own else self._source.functions.get(name) if receiver is None else None
        )
        if function is None or self._depth >= INLINED or function is self._function:
            return None
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)][bool(own) :]
        given = dict(zip(names, arguments, strict=False)) | {key: value for key, value in keywords.items() if key}
        inner = Flow(
            self._source,
            function,
            name,
            methods=self._methods if own else None,
            held=self.held if own else None,
            given={argument.arg: self._default(argument.arg, name) for argument in function.args.args} | given,
            depth=self._depth + 1,
        )
        seen = inner.follow()
        if any(INPUT in tags for tags in given.values()):
            self.seen.followed.add(name)
        self.seen.moded |= seen.moded
        self.seen.meetings += seen.meetings
        self.seen.passed_on |= seen.passed_on
        return seen.returned - DRAWN if seen.meetings else seen.returned

    @staticmethod
    def _default(name: str, of: str) -> Tags:
        return frozenset({MODE}) if words.mode(name) is not None else strength(name, of)

    def _dropout(self, node: ast.Call, together: Tags, arguments: Sequence[Tags]) -> Tags:
        """Return the tags of a dropout: of ones it is a mask, of the input it is noted as such."""
        shaped = [keyword for keyword in node.keywords if keyword.arg in ("noise_shape", "broadcast_dims", "axes")]
        if shaped:
            together |= {
                self._extents.of_call(ast.Call(node.func, [shaped[0].value], []))
                if shaped[0].arg == "noise_shape"
                else SAMPLE
            }
        if not arguments or not (together & {INPUT, ONES}):
            return together | {DROPOUT}  # a layer that is made here, and called elsewhere
        if ONES in arguments[0] and INPUT not in arguments[0]:
            return together | {self._extents.of_tensor(node.args[0])}
        if INPUT in together:
            self._note("dropout", together | ({ELEMENT} if not together & DRAWN else NOTHING))
        return together

    # Meetings

    def _meet(self, kind: str, operands: Sequence[Tags]) -> bool:
        """Note where an operand is drawn and another is the input; what comes of it is an output, and no draw."""
        met = False
        for number, drawn in enumerate(operands):
            others = [other for place, other in enumerate(operands) if place != number]
            if drawn & DRAWN and any(INPUT in other for other in others):
                self._note(kind, drawn)
                met = True
        return met

    def _gate(self, test: Tags, body: Sequence[ast.stmt]) -> None:
        if not test & DRAWN:
            return
        for node in body:
            for part in ast.walk(node):
                if isinstance(part, ast.Continue) or (
                    isinstance(part, (ast.Return, ast.Assign, ast.AugAssign))
                    and part.value is not None
                    and self._tags(part.value) & {INPUT, NULL}
                ):
                    self._note("gate", test)
                    return

    def _note(self, kind: str, tags: Tags) -> None:
        self.seen.meetings.append(Meeting(kind, tags, bool(self._loops), self._depth))
