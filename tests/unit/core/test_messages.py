"""Which events and actions there are."""

import inspect

from supervisor_zkelect.core import messages, standing


def test_each_message_is_an_event_or_an_action():
    modules = [messages.__name__, standing.__name__]
    defined = [one for one in vars(messages).values() if inspect.isclass(one) and one.__module__ in modules]
    assert sorted(one.__name__ for one in defined) == sorted(one.__name__ for one in (*messages.EVENTS, *messages.ACTIONS))
