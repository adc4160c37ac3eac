"""What a job's machine is told and what it asks for; each kind of job has a room beside."""
