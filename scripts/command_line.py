"""What the scripts share: a mistake on the command line gives one line, not a page."""

import argparse


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with exit code 2."""

    def error(self, message: str):
        """Say what was wrong, and where the help is."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")
