"""Celery tasks of the list of clients."""

from celery import shared_task

from hubclientinfo import comparison


@shared_task
def compare() -> int:
    """Look whether partners still have what they were told, once a day."""
    return comparison.compare_all()
