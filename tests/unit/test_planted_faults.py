"""The faults that the simulation puts into the product: each replaces a line that stands there."""

import pytest

from tests.simulation.faults import FAULTS, source_of


@pytest.mark.parametrize("name", FAULTS)
def test_its_line_stands_in_the_product_once(name):
    source_of(FAULTS[name])
