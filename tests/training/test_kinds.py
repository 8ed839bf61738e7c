"""The tables of kinds agree."""

from cleanplate.export.kinds import GRAPHS
from cleanplate.nets.kinds import MULTIPLES, unknown_kind
from cleanplate.training.kinds import KINDS


def test_what_can_be_trained_can_be_exported() -> None:
    assert set(MULTIPLES) == set(KINDS) == set(GRAPHS)


def test_what_is_wrong_with_a_kind_names_all() -> None:
    assert unknown_kind("x").startswith("kind is 'x': choose cleanplate, background-cut, ")
    assert all(kind in unknown_kind("x") for kind in MULTIPLES)
