"""Links to workers over gRPC: one long Execute stream each, and who gets one."""
