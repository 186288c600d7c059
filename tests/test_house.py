"""The plan of the house: which file may import which, and what `fab --list` may load."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = sorted(path for path in (ROOT / "fabfile").glob("*.py") if path.name not in ("__init__.py", "stages.py"))
PURE = [
    ROOT / "fabfile/engine" / f"{name}.py"
    for name in ("steps", "plan", "show", "secret", "names", "chart", "operations", "facts", "compare", "archive")
]
PURE += [ROOT / "webapp/users/shards.py"]
# Of the user store a room may use what needs no Django.
NEEDS_DJANGO = {
    path for path in (ROOT / "webapp").rglob("*.py") if re.search(r"^\s*(from|import) django", path.read_text(), re.M)
}
LOCALCLOUD = sorted((ROOT / "fabfile/localcloud").rglob("*.py"))
STDLIB = set(sys.stdlib_module_names)


def imports(path):
    """(level, module, names) of each import statement of a file, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)


def path_of(module):
    return ROOT / (module.replace(".", "/") + ".py")


def loaded_by(code):
    told = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.stem)
def test_the_ground_floor_stands_on_the_standard_library_alone(path):
    beyond = {module for level, module, _ in imports(path) if not level and module.partition(".")[0] not in STDLIB}
    assert not beyond


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
def test_a_room_opens_no_connection_and_never_goes_looking_for_its_stage(path):
    for level, module, names in imports(path):
        assert module.partition(".")[0] not in ("boto3", "paramiko", "socket", "subprocess", "moto")
        assert not (level and (module.startswith("localcloud") or "localcloud" in names or "stages" in names))
        if module.startswith("webapp"):
            assert module.startswith("webapp.users") and path_of(module) not in NEEDS_DJANGO


@pytest.mark.parametrize("path", LOCALCLOUD, ids=lambda path: path.stem)
def test_the_local_cloud_knows_no_room(path):
    rooms = {room.stem for room in ROOMS} | {"stages"}
    for level, module, names in imports(path):
        reaches_up = level == 2 + len(path.relative_to(ROOT / "fabfile/localcloud").parts) - 1
        if reaches_up:
            assert module.partition(".")[0] not in rooms and not (module == "" and rooms & set(names))
        assert module.partition(".")[0] != "webapp"


@pytest.mark.parametrize("path", sorted((ROOT / "webapp").rglob("*.py")), ids=lambda path: path.stem)
def test_the_application_knows_nothing_of_what_deploys_it(path):
    assert not [module for _, module, _ in imports(path) if module.partition(".")[0] in ("fabfile", "fabric", "invoke")]


def test_listing_the_tasks_waits_with_what_is_slow_to_import():
    assert not {"boto3", "botocore", "django", "moto", "flask", "redis", "argon2"} & loaded_by("import fabfile")


def test_the_shard_rule_can_be_had_without_either_house():
    assert not {"django", "fabric", "boto3"} & loaded_by("import webapp.users.shards")


def test_what_rooms_use_of_the_user_store_loads_no_django_by_any_way():
    used = {module for path in ROOMS for _, module, _ in imports(path) if module.startswith("webapp.users.")}
    bulk = {f"webapp.users.bulk.{path.stem}" for path in (ROOT / "webapp/users/bulk").glob("[a-z]*.py")}
    assert not {"django", "fabric", "boto3"} & loaded_by("import " + ", ".join(sorted(used | bulk)))


def test_the_front_door_holds_no_logic():
    tree = ast.parse((ROOT / "fabfile/__init__.py").read_text())
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        assert all(isinstance(line, ast.Assign | ast.Expr) for line in function.body), function.name
