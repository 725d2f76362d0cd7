"""The packages as users get them: packed, installed into an empty project, used."""

import asyncio
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import httpx
import pytest

from tests.clients.commands import run
from tests.clients.drivers import KEY
from tests.clients.fault_server import FaultServer
from tests.support import ROOT
from tools.docs.packages import release

ESM = """
import { NotFound, WhaleClient } from "whale-loyalty";
const whale = new WhaleClient();
const earning = await whale.loyalty.earn("cust_1", { points: 500, reason: "Birthday bonus" });
console.log(earning.id, new NotFound({ status: 404, code: "not_found", detail: "", extra: {} }).code);
"""
CJS = """
const { NotFound, WhaleClient } = require("whale-loyalty");
const whale = new WhaleClient();
whale.loyalty.earn("cust_1", { points: 500, reason: "Birthday bonus" }).then((earning) =>
  console.log(earning.id, new NotFound({ status: 404, code: "not_found", detail: "", extra: {} }).code));
"""
TYPED = """
import { InsufficientPoints, WhaleClient, type Page, type Program, type Transaction } from "whale-loyalty";
const whale = new WhaleClient({ apiKey: "wk_live_…" });
export async function run(): Promise<number> {
  const earning: Transaction = await whale.loyalty.earn("cust_1", { points: 500, reason: "x" });
  const page: Page<Program> = await whale.loyalty.list({ limit: 2 });
  for await (const program of whale.loyalty.list()) console.log(program.points_per_dollar);
  try {
    await whale.loyalty.redeem("cust_1", "rwd_002");
  } catch (error) {
    if (error instanceof InsufficientPoints) return error.missing;
  }
  // @ts-expect-error a reason is required
  await whale.loyalty.earn("cust_1", { points: 500 });
  return earning.balance_after + page.total;
}
"""
PYTHON = """
import whale_loyalty
from whale_loyalty.errors import NotFound
with whale_loyalty.WhaleClient() as client:
    earning = client.loyalty.earn("cust_1", points=500, reason="Birthday bonus")
print(earning.id, NotFound("").code)
"""
METADATA = """
import json
from importlib.metadata import metadata, requires
import whale_loyalty
names = ("Version", "License-Expression", "License-File", "Author")
about = {name: metadata("whale-loyalty")[name] for name in names}
about |= {"__version__": whale_loyalty.__version__, "requires": requires("whale-loyalty")}
print(json.dumps(about))
"""
PYTHON_TYPED = """
from whale_loyalty import WhaleClient
earning: str = WhaleClient().loyalty.earn("cust_1", points=500, reason="x")
"""


async def run_program(*command: str | Path, cwd: Path, server: FaultServer) -> str:
    """Run a program against the server; returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={"WHALE_API_KEY": KEY, "WHALE_BASE_URL": server.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().strip()


@pytest.mark.parametrize(("name", "source"), [("use.mjs", ESM), ("use.cjs", CJS)])
async def test_the_npm_package_works_with_import_and_require(
    js_project: Path, server: FaultServer, name: str, source: str
) -> None:
    (js_project / name).write_text(source)
    node = str(shutil.which("node"))
    assert await run_program(node, name, cwd=js_project, server=server) == "txn_0 not_found"


@pytest.mark.parametrize("name", ["use.mts", "use.cts"])
def test_the_npm_package_includes_its_types(js_project: Path, js_package: Path, name: str) -> None:
    (js_project / name).write_text(TYPED)
    tsc = js_package / "node_modules/.bin/tsc"
    run(tsc, "--noEmit", "--strict", "--module", "nodenext", "--types", "", name, cwd=js_project)


def test_the_npm_package_has_no_dependencies_and_only_its_own_files(js_project: Path) -> None:
    assert [folder.name for folder in (js_project / "node_modules").glob("[!.]*")] == [
        "whale-loyalty"
    ]
    package = js_project / "node_modules/whale-loyalty"
    assert {entry.name for entry in package.iterdir()} == {
        *("package.json", "README.md", "LICENSE", "dist")
    }


@pytest.fixture(scope="module")
def python_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel, installed offline: a .pth file adds the dependencies of this
    environment."""
    project = tmp_path_factory.mktemp("python")
    source = project / "source"
    shutil.copytree(
        ROOT / "libs/whale-python", source, ignore=shutil.ignore_patterns("*.egg-info", "build")
    )
    uv = Path(sys.executable).parent / "uv"
    python = project / "venv/bin/python"
    venv.create(project / "venv", symlinks=True)
    build = (
        "build",
        "--quiet",
        "--wheel",
        "--no-build-isolation",
        "--offline",
        "--out-dir",
        project,
    )
    run(uv, *build, "--python", sys.executable, source, cwd=project)
    (wheel,) = project.glob("whale_loyalty-*.whl")
    run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel, cwd=project)
    site = next((project / "venv/lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(str(Path(httpx.__file__).parents[1]))
    return project


async def test_the_wheel_works_after_installation(
    python_project: Path, server: FaultServer
) -> None:
    python = python_project / "venv/bin/python"
    out = await run_program(python, "-I", "-c", PYTHON, cwd=python_project, server=server)
    assert out == "txn_0 not_found"


async def test_the_wheel_says_what_it_is(python_project: Path, server: FaultServer) -> None:
    python = python_project / "venv/bin/python"
    out = await run_program(python, "-I", "-c", METADATA, cwd=python_project, server=server)
    assert json.loads(out) == {
        "Version": release(),
        "__version__": release(),
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Author": "The Whale Loyalty authors",
        "requires": ["anyio>=4.4", "httpx<1,>=0.27", "msgspec>=0.19"],
    }


def test_the_wheel_includes_its_types(python_project: Path) -> None:
    (python_project / "use.py").write_text(PYTHON_TYPED)
    mypy = Path(sys.executable).parent / "mypy"
    command = (
        mypy,
        "--strict",
        "--python-executable",
        python_project / "venv/bin/python",
        "use.py",
    )
    process = subprocess.run(
        command, cwd=python_project, capture_output=True, text=True, check=False
    )
    assert 'has type "Transaction"' in process.stdout, process.stdout
    assert "Found 1 error" in process.stdout
