"""nas-sr: super-resolution networks searched for the device they will run on.

`from nas_sr import api` gives the functions to call from a notebook or a program.
"""

__version__ = "0.2.0"
