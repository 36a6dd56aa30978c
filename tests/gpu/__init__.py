"""What only a GPU can show: `make test-gpu`.

Tests with the marker `gpu` need one; what they call is written for any device, and test_on_cpu.py calls it on the CPU,
so that a mistake in it is not found on somebody's GPU.
"""
