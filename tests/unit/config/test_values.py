"""Single values."""

import pytest
from supervisor.datatypes import boolean

from supervisor_zkelect.config import values


@pytest.mark.parametrize("word", ["yes", "True", "ON", "1", "no", "FALSE", "off", "0", "", "2", "y", "t", "none"])
def test_what_is_true_is_what_supervisord_takes_for_it(word):
    try:
        theirs = boolean(word)
    except ValueError:
        with pytest.raises(ValueError):
            values.boolean(word)
    else:
        assert values.boolean(word) is theirs
