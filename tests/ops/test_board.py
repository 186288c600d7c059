"""The board of what is under way: plain lines where nobody watches, and silence once it is closed."""

import io

from fabfile.engine.show import Board


def test_where_nobody_watches_each_event_is_a_line():
    out = io.StringIO()
    with Board(out) as board:
        board.say("disk", "create it")
        board.say("disk", "create it")
        board.end("disk", "✓", "green", "create it")
    assert out.getvalue() == "  disk: create it\n✓ disk: create it\n"


def test_once_closed_nothing_more_is_said_by_threads_still_at_work():
    out = io.StringIO()
    with Board(out) as board:
        board.say("disk", "create it")
        board.close()
        board.say("disk", "attach it")
        board.end("disk", "✓", "green", "attach it")
    assert out.getvalue() == "  disk: create it\n"
