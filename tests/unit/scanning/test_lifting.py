"""A lifted definition is a file of its own that does what the original does."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.scanning.apart import apart
from droppath_audit.scanning.finding import find
from droppath_audit.scanning.lifting import NotLiftable, lift
from droppath_audit.scanning.reading import parsed
from droppath_audit.scanning.sources import File

if TYPE_CHECKING:
    from pathlib import Path

    from droppath_audit.scanning.lifting import Piece
    from tests.unit.scanning.conftest import Found, Write


def run(piece: Piece) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "lifted"}
    exec(compile(piece.text, "lifted.py", "exec"), names)  # noqa: S102 - the test wrote it
    return names


FILE = """
    from __future__ import annotations
    import no_such_module
    from no_such_package import registry, Config
    import torch
    from torch import nn

    LIMITS = (0.0, 1.0)
    UNUSED = no_such_module.value

    def _checked(value: Config) -> float:
        if not LIMITS[0] <= value <= LIMITS[1]:
            raise ValueError(value)
        return value

    class Base(nn.Module):
        def extra_repr(self):
            return f"{self.drop_prob}"

    @registry.register("drop_path")
    class DropPath(Base):
        def __init__(self, drop_prob: Config = 0.0):
            super().__init__()
            self.drop_prob = _checked(drop_prob)

        def forward(self, x):
            return x * (torch.rand(x.shape[0], 1) >= self.drop_prob)

    class Model(nn.Module):
        drop = no_such_module.Layer
    """


def test_it_has_the_functions_constants_and_bases_that_it_needs_and_nothing_else(found: Found) -> None:
    (alike,) = found(FILE)
    piece = lift(alike)
    names = run(piece)
    assert names["DropPath"](0.25).extra_repr() == "0.25"
    with pytest.raises(ValueError, match="2"):
        names["DropPath"](2.0)
    assert piece.left_out == ("@registry.register('drop_path')",)
    assert "no_such" not in piece.text
    assert "Model" not in names


def piece_of(tmp_path: Path, file: str) -> Piece:
    (alike,) = find(parsed(File(str(tmp_path / file), "", str(tmp_path))))
    return lift(alike)


LAYER = """
    from {} import {}
    from torch import nn

    class DropPath(nn.Module):
        def __init__(self, drop_prob):
            super().__init__()
            self.drop_prob = drop_prob

        def forward(self, x):
            return {}(x, self.drop_prob)
    """
FUNCTION = """
    import torch
    import no_such_module

    def drop_path(x, drop_prob):
        return x * (torch.rand(x.shape[0], 1) >= drop_prob)
    """


@pytest.mark.parametrize("where", [".functional", "..package.functional", "package.functional"])
def test_what_stands_in_another_file_of_the_package_comes_along(write: Write, tmp_path: Path, where: str) -> None:
    write("package/__init__.py", "import no_such_module\n")
    write("package/functional.py", FUNCTION)
    write("package/layers.py", LAYER.format(where, "drop_path as thin", "thin"))
    piece = piece_of(tmp_path, "package/layers.py")
    assert piece.others == (str(tmp_path / "package" / "functional.py"),)
    torch = pytest.importorskip("torch")
    assert run(piece)["DropPath"](1.0)(torch.ones(3, 2)).tolist() == [[0, 0]] * 3


def test_what_is_in_no_file_is_said(write: Write, tmp_path: Path) -> None:
    write("layers.py", LAYER.format(".functional", "drop_path", "drop_path"))
    with pytest.raises(NotLiftable, match=r"it needs drop_path from \.functional, which is not there"):
        piece_of(tmp_path, "layers.py")
    write("functional.py", "from .more import *\n")
    with pytest.raises(NotLiftable, match="does not define it"):
        piece_of(tmp_path, "layers.py")


def test_two_things_of_one_name_are_not_mixed_up(write: Write, tmp_path: Path) -> None:
    write(
        "functional.py",
        """
        import torch
        EDGE = 0.5

        def drop_path(x, drop_prob):
            return x * (torch.rand(x.shape[0], 1) >= drop_prob + EDGE)
        """,
    )
    layer = LAYER.format(".functional", "drop_path", "drop_path")
    write("layers.py", layer.replace("self.drop_prob)", "self.drop_prob * EDGE)") + "\n    EDGE = 1.0\n")
    with pytest.raises(NotLiftable, match="two definitions that are called EDGE"):
        piece_of(tmp_path, "layers.py")


def test_scripted_code_keeps_what_its_annotations_name(found: Found) -> None:
    (alike,) = found(
        """
        import torch
        from typing import Optional

        @torch.jit.script
        def drop_path(x: torch.Tensor, drop_prob: float, scale: Optional[float] = None) -> torch.Tensor:
            return x * (torch.rand((x.shape[0], 1)) >= drop_prob)
        """
    )
    assert "from typing import Optional" in lift(alike).text
    assert "__future__" not in lift(alike).text


def test_the_class_of_what_a_constructor_must_be_given_comes_along(found: Found) -> None:
    text = """
        import no_such_module
        import torch
        from torch import nn

        class Control:
            def __init__(self, drop_prob=0.0):
                self.drop_prob = drop_prob

        class Other:
            pass

        class DropPath(nn.Module):
            def __init__(self, control: Control, other: Other = None):
                super().__init__()
                self.control = control

            def forward(self, x):
                return x * (torch.rand(x.shape[0], 1) < 1 - self.control.drop_prob) / (1 - self.control.drop_prob)
        """
    piece = lift(next(alike for alike in found(text) if alike.name == "DropPath"))
    assert {"Control", "DropPath"} <= run(piece).keys()
    assert "Other" not in run(piece)


def test_a_method_is_lifted_without_what_the_rest_of_its_class_needs(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "block.py"
    path.write_text(
        dedent(
            """
            import torch
            from torch import nn
            from .nowhere import Base, Mixer

            class Block(Base):
                def __init__(self, dim, drop_path=0.0):
                    super().__init__()
                    self.mixer, self.drop_path = Mixer(dim), drop_path

                @property
                def _keep(self):
                    return 1.0 - self.drop_path

                def _drop(self, x):
                    if not self.training:
                        return x
                    return x * torch.empty(x.shape[0], 1).bernoulli_(self._keep) / self._keep

                def forward(self, x):
                    return x + self._drop(self.mixer(x))
            """
        )
    )
    piece = apart(str(path), "Block._drop")
    block = run(piece)["Block"]
    assert "Mixer" not in piece.text
    assert set(vars(block)) >= {"_drop", "_keep"}
    assert not set(vars(block)) & {"__init__", "forward"}
    with pytest.raises(NotLiftable, match="nowhere"):
        apart(str(path), "Block")
