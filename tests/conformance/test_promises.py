"""What an implementation of DropPath promises, a sentence a line, beside the check that holds it to it.

Each class is a family of checks and each of their trials an item: ``-k DP301``, ``-k TestEdges`` and
``-k evaluation_returns_x`` choose among them.
"""

from __future__ import annotations

from droppath_audit.checks import catalogue


class Family:
    """Promises of one family; the trials of their checks become the items of its one test."""

    PROMISES: tuple[tuple[str, str], ...]

    def test_that(self, spec, trial, hold):
        hold(spec, trial)


class TestInterfaceAndMode(Family):
    """A layer gives back what it was given, but for what training drops, and leaves alone what is not its own."""

    PROMISES = (
        ("DP001", "evaluation returns x"),
        ("DP002", "zero drop_prob returns x"),
        ("DP003", "the mode that was set last decides"),
        ("DP004", "the input is not written to"),
        ("DP005", "shape, dtype and device are kept"),
        ("DP006", "strides survive"),
        ("DP007", "a bad probability is refused"),
        ("DP008", "a layer can be copied, stored and changed"),
        ("DP009", "integers are refused or scaled"),
        ("DP010", "subclasses of tensors come back as such"),
    )


class TestLawOfTheMask(Family):
    """Decisions are kept as often as promised, independently, and alike in every place, call, batch and instance."""

    PROMISES = (
        ("DP101", "kept and dropped follow the chi-square law"),
        ("DP102", "keep probability is certified"),
        ("DP103", "the exact keep probability is what was asked for"),
        ("DP104", "one decision per unit"),
        ("DP105", "number kept per batch is binomial"),
        ("DP106", "neighbours are independent"),
        ("DP107", "calls are independent"),
        ("DP108", "instances decide independently"),
        ("DP109", "keep probability does not depend on the position"),
        ("DP110", "keep probability does not depend on the batch size"),
        ("DP111", "decisions do not depend on the input"),
        ("DP112", "keep probability does not drift with calls"),
        ("DP113", "first decision after a seed has the law of any other"),
        ("DP114", "every configuration of a call keeps law, values and gradients"),
        ("DP115", "law, values and gradients hold around every number in the code"),
    )


class TestValues(Family):
    """Kept values are scaled as promised, dropped ones are zero, and the mean of the two is x."""

    PROMISES = (
        ("DP201", "every kept value is scaled"),
        ("DP202", "every dropped value is zero"),
        ("DP203", "mean of the training output is x"),
        ("DP204", "variance is what the scale makes it"),
        ("DP205", "overflow stays where it is"),
        ("DP206", "dropping clears infinities and NaN"),
        ("DP207", "what another sample holds changes nothing"),
    )


class TestEdges(Family):
    """Extreme probabilities, small tensors, tensors of rank 0, and what is declared to be refused."""

    PROMISES = (
        ("DP301", "training output is all zeros"),
        ("DP302", "gradient is zero, finite and connected"),
        ("DP303", "extreme probabilities keep the law"),
        ("DP304", "small tensors keep their shape"),
        ("DP305", "a tensor of rank 0 is refused or one sample"),
        ("DP306", "a declared refusal is a ValueError"),
    )


class TestGradients(Family):
    """The backward pass uses the forward pass's own mask."""

    PROMISES = (
        ("DP401", "gradient is the mask of the forward pass"),
        ("DP402", "gradient agrees with finite differences"),
        ("DP403", "the gradient can be differentiated"),
        ("DP404", "checkpointing recomputes the same mask"),
        ("DP405", "a dropped batch stays connected"),
        ("DP406", "any gradient may come in"),
        ("DP407", "a backward pass may come late, and twice"),
    )


class TestRandomness(Family):
    """Random numbers come from the framework, when they are needed, and only from there."""

    PROMISES = (
        ("DP501", "the seed decides the masks"),
        ("DP502", "no other generator moves"),
        ("DP503", "nothing is drawn for nothing"),
        ("DP504", "threads and processes have masks of their own"),
        ("DP505", "nothing is left behind"),
    )


class TestFuzzing(Family):
    """Every deterministic promise at once, on generated tensors and after generated lives."""

    PROMISES = (
        ("DP601", "any tensor keeps every promise"),
        ("DP602", "a layer that has lived is like a fresh one"),
        ("DP603", "every branch of its code was executed"),
        ("DP604", "a layer that is old is like a fresh one"),
    )


class TestPlatforms(Family):
    """What surrounds a call changes nothing of what it does."""

    PROMISES = (
        ("DP701", "on every device everything is made there"),
        ("DP702", "a device drops as often as the CPU does"),
        ("DP703", "compiled it does what it does as it is written"),
        ("DP704", "captured it does what it does as it is written"),
        ("DP705", "transforms of functions change nothing"),
        ("DP707", "each replay of a recorded graph draws a mask of its own"),
        ("DP708", "ranks decide alike or independently, as they are seeded or declared to"),
    )


class TestCost(Family):
    """What the layer costs beyond the multiplication."""

    PROMISES = (
        ("DP801", "a call takes about the time of the reference"),
        ("DP802", "nothing is as large as x but what is made of it"),
        ("DP803", "no more random numbers than decisions are drawn"),
        ("DP804", "the branch is computed at most once"),
    )


def test_every_check_has_one_promise_in_the_class_of_its_family():
    rows = [(check, family.__name__) for family in Family.__subclasses__() for check, _ in family.PROMISES]
    names = {check.id: f"Test{check.family.title().replace(' ', '')}" for check in catalogue().values()}
    assert sorted(rows) == sorted(names.items())


def test_no_two_promises_are_alike():
    sentences = [sentence for family in Family.__subclasses__() for _, sentence in family.PROMISES]
    assert len(set(sentences)) == len(sentences)
