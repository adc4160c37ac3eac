"""`hasten doctor`: what this machine and a mesh need, looked at one by one."""
