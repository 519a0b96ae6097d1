"""How networks are trained: devices, steps, averages."""
