"""Lines of scripts that call ``layer`` in forked processes that are ranks of one process group."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droppath_audit.scripts.live import LiveScript

FORK = """
seeds, readers = SEEDS, []
meeting = os.path.join(tempfile.mkdtemp(), 'meeting')
for rank in range(len(seeds)):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            JOIN
            np.random.seed(), random.seed()  # a launched process shares no state with another; a fork does
            text = str(masks_of(seeds[rank])).encode()
            while text:
                text = text[os.write(writer, text):]
        finally:
            os._exit(0)
    os.close(writer)
    readers.append((child, reader))
masks = []
for child, reader in readers:
    with open(reader) as answer:
        masks.append(eval(answer.read() or 'None'))
    os.waitpid(child, 0)
assert None not in masks, 'a rank fails'
"""


def in_ranks(script: LiveScript, drop_prob: float, calls: int, batch: int, seeds: tuple[int, ...]) -> None:
    """Bind ``masks`` to the decisions of each of some ranks, which construct the layer and call it."""
    script.imports("import os", "import random", "import tempfile")
    with script.under("def masks_of(seed):"):
        script.add(script.seed("seed"))
        script.layer(drop_prob)
        script.ones(script.shape(batch))
        mask = f"({script.array(script.call(drop_prob))} != 0).reshape({batch}, -1)[:, 0].tolist()"
        script.add(f"return sum([{mask} for _ in range({calls})], [])")
    join = script.spell.join_ranks("rank", "len(seeds)", "meeting").replace("\n", "\n            ")
    script.add(FORK.replace("SEEDS", str(seeds)).replace("JOIN", join))
