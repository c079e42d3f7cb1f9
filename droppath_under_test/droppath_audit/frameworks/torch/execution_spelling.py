"""Ways to run a target in torch, as source text: lines that bind ``run``."""

from __future__ import annotations

COMPILED = "run = torch.compile({function}, backend={backend!r}, dynamic={dynamic!r}{whole})"

SCRIPTED = """\
scripted = torch.jit.script({function})
def run(*given, **named):
    if isinstance({function}, torch.nn.Module):
        scripted.train({function}.training)
    return scripted(*given, **named)"""

CAPTURED = """\
class Call(torch.nn.Module):
    def forward(self, x):
        given = [x if isinstance(value, torch.Tensor) else value for value in self.given]
        return {function}(*given, **self.named)
programs = {{}}
def run(*given, **named):
    x, *others = given
    key = str((getattr({function}, 'training', None), others, named, x.shape, x.dtype, x.requires_grad))
    if key not in programs:
        call = Call()
        call.function, call.given, call.named = {function}, given, named
        programs[key] = {capture}
    return programs[key](x)"""

CAPTURES = {
    "export": "torch.export.export(call, (x,), strict=False).module()",
    "fx": "torch.fx.symbolic_trace(call)",
}

MAPPED = """\
def run(x, *given, **named):
    return torch.func.vmap(lambda x: {function}(x, *given, **named), randomness='different')(x[:, None])[:, 0]"""


def running(variant: str, function: str, *, whole: bool) -> str:
    """Return the lines; see ``Spelling.running``."""
    if variant in CAPTURES:
        return CAPTURED.format(function=function, capture=CAPTURES[variant])
    if variant in ("script", "vmap"):
        return (SCRIPTED if variant == "script" else MAPPED).format(function=function)
    return COMPILED.format(
        function=function,
        backend="aot_eager" if "aot" in variant else "inductor",
        dynamic=variant.endswith("dynamic"),
        whole=", fullgraph=True" if whole else "",
    )
