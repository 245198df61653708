"""Answers the bell: Celery tasks that drain shards and sweep what a lost wake left behind."""
