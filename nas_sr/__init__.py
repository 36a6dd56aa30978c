"""nas-sr: super-resolution networks searched for the device they will run on."""

__version__ = "0.1.0"
