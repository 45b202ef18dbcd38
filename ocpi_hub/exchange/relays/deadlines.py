"""Until when whoever was asked something has to answer, and then to send the result (mod_commands.asciidoc). Pure."""

from datetime import datetime, timedelta

ANSWER_WITHIN = timedelta(minutes=2)  # later nobody is waiting for the direct answer any more
TIMEOUT_UNTOLD = timedelta(seconds=30)  # where the answer does not say how long the result may take
LONGEST_TIMEOUT = timedelta(days=1)  # some operators mean milliseconds
GRACE = timedelta(seconds=30)  # that a result may come later than announced


def result_due(answered_at: datetime, timeout: int | None) -> datetime:
    """Until when a result can be expected; `timeout` are the seconds that were announced."""
    announced = TIMEOUT_UNTOLD if timeout is None else timedelta(seconds=timeout)
    return answered_at + min(announced, LONGEST_TIMEOUT) + GRACE
