"""Lead: accounts, queues, progress and jobs."""
