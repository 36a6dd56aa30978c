"""The program that runs on the device that is measured. It is copied there alone: Python 3.8, numpy and one runtime."""
