"""Each module of the house can be imported first.

Which module Django imports first depends on the order of its system checks, which is not the same from run to run:
a circle of imports that a lucky order hides would fail at some starts and not at others.
"""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

HOUSE = ("portal", "affiliates", "orders", "commissions")
ROOT = Path(__file__).resolve().parents[2]

# One process sets Django up and forks for every module, so that each is the first that its process imports.
IMPORT_EACH_ALONE = """
import importlib, json, os, sys, traceback
import django
django.setup()
failed = {}
for name in json.load(sys.stdin):
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            os.write(writing, traceback.format_exc()[-4000:].encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        if said := answer.read():
            failed[name] = said
    os.wait()
json.dump(failed, sys.stdout)
"""


def _modules() -> list[str]:
    found = []
    for package in HOUSE:
        for module in pkgutil.walk_packages([str(ROOT / package)], prefix=f"{package}."):
            if not {"tests", "testing", "migrations", "__main__"} & set(module.name.split(".")):
                found.append(module.name)
    return found


def test_every_module_can_be_the_first_one_imported() -> None:
    modules = _modules()
    assert len(modules) > 80
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH_ALONE],
        input=json.dumps(modules),
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings", "DEMO": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    failed = json.loads(run.stdout)
    assert not failed, "\n".join(f"{name}:\n{said}" for name, said in failed.items())
