"""Every kind of failure, provoked once: the stage, and a provoker for each kind (acceptance of issue 5, line 6)."""
