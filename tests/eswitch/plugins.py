"""tests/private_plugins.sh for the tests in Python."""

import atexit
import os
import pathlib
import shutil
import subprocess

SCRIPT = pathlib.Path(__file__).parent.parent / "private_plugins.sh"


def private_plugin(path):
    """The path of a copy that EAL will load; it goes when the process ends."""
    folder = subprocess.run([SCRIPT, path], capture_output=True, text=True, check=True).stdout.strip()
    atexit.register(shutil.rmtree, folder)
    return os.path.join(folder, os.path.basename(path))
