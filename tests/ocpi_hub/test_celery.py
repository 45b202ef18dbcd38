"""The courier: a lost task is found again by the sweep, so that nothing is done twice for its sake."""

from kombu import Connection

from ocpi_hub.celery import app


def test_a_worker_that_loses_redis_goes_on_and_puts_nothing_back():
    connection: Connection = app.connection_for_read()
    channel = connection.default_channel
    queue = connection.SimpleQueue("lost-redis", channel=channel)
    queue.put("a task")
    fetched = queue.get(timeout=5)
    redis = channel.client

    # As kombu leaves it when Redis is gone.
    channel.connection.client = None
    channel.close()

    assert fetched.payload == "a task"
    assert redis.keys("unacked*") == []
    assert redis.llen("lost-redis") == 0
