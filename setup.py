"""What setup.cfg cannot say: the wheel carries the small model, whose home is ``models/``.

It is installed as ``dfsubmit/_models/tiny-vit-demo``. An editable installation and a build from a
copy without ``models/`` (the wheel inside a competition bundle) do without it.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MODEL = Path("models", "tiny-vit-demo")


class BuildWithModel(build_py):
    """Also copies the files of the small model into the package that is built."""

    def run(self):
        super().run()
        if self.editable_mode or not MODEL.is_dir():
            return
        target = Path(self.build_lib, "dfsubmit", "_models", MODEL.name)
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(MODEL.iterdir()):
            if file.is_file():
                shutil.copyfile(file, target / file.name)


setup(cmdclass={"build_py": BuildWithModel})
