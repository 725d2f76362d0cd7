"""The clients under test: both Python clients, and the JavaScript client if node is installed."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.commands import run
from tests.clients.drivers import AsyncPythonDriver, Driver, NodeDriver, PythonDriver
from tests.clients.fault_server import FaultServer
from tests.support import ROOT

JS = ROOT / "libs/whale-js"


@pytest.fixture(scope="session")
def js_package() -> Path:
    """The folder of the built JavaScript client; skips if node or npm is missing or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("The JavaScript client is not tested: node or npm is not on the PATH.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < 18:
        pytest.skip(f"The JavaScript client is not tested: it needs node 18, this is {version}.")
    built = subprocess.run(
        ["make", "--silent", "libs/whale-js/dist"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return JS


@pytest.fixture(scope="session")
def js_project(js_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty project with the packed JavaScript client, installed offline."""
    project = tmp_path_factory.mktemp("js")
    npm = str(shutil.which("npm"))
    packed = run(npm, "pack", "--silent", "--pack-destination", project, cwd=js_package).strip()
    (project / "package.json").write_text('{ "private": true }')
    run(npm, "install", "--offline", "--no-audit", "--no-fund", f"./{packed}", cwd=project)
    return project


@pytest.fixture(scope="session")
def js_module(js_package: Path) -> Path:
    """The module that `import … from 'whale-loyalty'` resolves to."""
    return js_package / "dist/esm/index.js"


@pytest.fixture(params=["python", "python async", "js"])
def client(request: pytest.FixtureRequest) -> Driver:
    """Each of the clients."""
    match request.param:
        case "python":
            return PythonDriver()
        case "python async":
            return AsyncPythonDriver()
        case _:
            return NodeDriver(request.getfixturevalue("js_module"))


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    """A running server whose faults the test sets."""
    fault_server = FaultServer()
    runner = await fault_server.start()
    yield fault_server
    await runner.cleanup()
