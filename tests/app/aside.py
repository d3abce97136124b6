"""Asynchronous code in a test."""

import asyncio
from concurrent.futures import ThreadPoolExecutor


def run_aside(coroutine):
    """asyncio.run in a thread of its own: browser tests of the same process leave a loop running in the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
