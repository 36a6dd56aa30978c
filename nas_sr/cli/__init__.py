"""The command line: one verb a file, which parses, calls and prints."""

from nas_sr.cli.main import main

__all__ = ["main"]
