"""Which events and actions there are."""

import inspect

from supervisor_zkelect.core import group_messages, messages, order_messages, pause_messages, standing


def test_each_message_is_an_event_or_an_action():
    modules = (messages, group_messages, order_messages, standing, pause_messages)
    defined = {one for module in modules for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__}
    known = (*messages.EVENTS, *messages.ACTIONS, pause_messages.PauseSeen)
    assert sorted(one.__name__ for one in defined) == sorted(one.__name__ for one in known)
