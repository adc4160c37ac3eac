"""The queue of durable tasks in Redis: scripts, records, and the `TaskQueue` port."""
