"""The parts of ``make gpu-check``, in the order in which it runs them."""
