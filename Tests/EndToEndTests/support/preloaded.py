"""C libraries that stand between a gateway and its libraries, with settings that a test changes while it runs."""

import os
import shutil
import subprocess

import pytest


class Preloaded:
    """`source` is a file beside this one; its library maps the file that PRELOADED_SETTINGS names. `environment` is
    for `start_gateway`."""

    def __init__(self, folder, source, settings):
        if os.environ.get("DEVHIVE_TEST_SANITIZER"):
            pytest.skip("a sanitizer stands where the library would")
        library, self._file = str(folder / "preloaded.so"), str(folder / "settings")
        compiler = shutil.which("cc") or shutil.which("clang")
        source = os.path.join(os.path.dirname(__file__), source)
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.write(settings)
        self.environment = {"LD_PRELOAD": library, "PRELOADED_SETTINGS": self._file}

    def write(self, settings):
        # In place: the gateway has mapped it.
        with open(self._file, "r+b" if os.path.exists(self._file) else "wb") as file:
            file.write(settings)

    def read(self):
        """What the library has made of the settings."""
        with open(self._file, "rb") as file:
            return file.read()
