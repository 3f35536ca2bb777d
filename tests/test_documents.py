"""Check that what the documents name exists: files, definitions, commands, options and links."""

import ast
import functools
import re
from pathlib import Path

import pytest

from toys.commands import PRODUCT_FOLDERS, REPOSITORY_ROOT

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/architecture.md",
    "docs/collect.md",
    "docs/detect.md",
    "docs/finetune.md",
    "docs/generalisation.md",
    "docs/glossary.md",
    "docs/promises.md",
    "docs/quickstart.md",
    "docs/recipes.md",
    "docs/scale.md",
    "docs/speed.md",
    "docs/train.md",
    "docs/troubleshooting.md",
    "docs/validate.md",
)
MAX_README_LINES = 180
MAX_COMMENTED_LINE_CHARACTERS = 60

CODE_SPAN = re.compile(r"`([^`]+)`")
OTHER_PACKAGES = {"keras", "detector", "pytest", "random"}
FILE_ENDINGS = {
    *("csv", "h5", "html", "json", "jsonl", "keras", "lock", "md", "onnx", "png", "py"),
    *("sbatch", "toml", "txt", "yaml"),
}

OPTIONS_OF_OTHER_PROGRAMS = {
    *("--logdir", "--nproc-per-node", "--require-hashes", "--disable-pip", "--data-binary"),
    *(
        "--full",
        "--again",
        "--kills",
        "--images",
        "--process",
        "--attack",
        "--minutes",
        "--check",
        "--help",
    ),
}
"""Options of pip, torchrun, TensorBoard, curl, ruff, benchmarks and long tests."""


@functools.cache
def product_files() -> dict[str, Path]:
    """Return the product's Python files by their path from the root."""
    files = [path for room in PRODUCT_FOLDERS for path in (REPOSITORY_ROOT / room).rglob("*.py")]
    files += (REPOSITORY_ROOT / "benchmarks").rglob("*.py")
    return {path.relative_to(REPOSITORY_ROOT).as_posix(): path for path in files}


def defined_names(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    names = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {name.id: node for target in targets for name in names_in(target)}
    return names


def names_in(target: ast.expr) -> list[ast.Name]:
    return [node for node in ast.walk(target) if isinstance(node, ast.Name)]


@functools.cache
def names_of(path: str) -> dict[str, ast.stmt]:
    return defined_names(ast.parse(product_files()[path].read_text()).body)


def is_defined(dotted: str) -> bool:
    """Return whether the product defines `module.name`, `package.module.name` or `Class.member`."""
    *modules, _ = parts = dotted.split(".")
    for count in range(len(modules) + 1):
        ending = "/" + "/".join(parts[:count]) + ".py"
        for path in product_files():
            if (not count or f"/{path}".endswith(ending)) and defines(path, parts[count:]):
                return True
    return f"/{dotted.replace('.', '/')}.py" in {f"/{path}" for path in product_files()}


def defines(path: str, names: list[str]) -> bool:
    node = names_of(path).get(names[0])
    if node is None or len(names) == 1:
        return node is not None
    return (
        len(names) == 2
        and isinstance(node, ast.ClassDef)
        and (names[1] in defined_names(node.body) or names[1] in attributes_of(node))
    )


def attributes_of(node: ast.ClassDef) -> set[str]:
    """Return the attributes that the methods of a class assign to `self`."""
    attributes = [child for child in ast.walk(node) if isinstance(child, ast.Attribute)]
    return {child.attr for child in attributes if isinstance(child.ctx, ast.Store)}


def spans(document: str) -> list[str]:
    text = (REPOSITORY_ROOT / document).read_text()
    return CODE_SPAN.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_exists(document):
    paths = [span.partition("::")[0] for span in spans(document)]
    roots = (*PRODUCT_FOLDERS, "tests", "benchmarks", "docs")
    named = [path for path in paths if re.fullmatch(rf"({'|'.join(roots)})/[\w./-]*", path)]
    assert [path for path in named if not (REPOSITORY_ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_definition_exists(document):
    dotted = [span for span in spans(document) if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)+", span)]
    own = [
        span
        for span in dotted
        if span.split(".")[0] not in OTHER_PACKAGES and span.split(".")[-1] not in FILE_ENDINGS
    ]
    single = [span for span in spans(document) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", span)]
    single += [span for span in spans(document) if re.fullmatch(r"([A-Z][a-z]+){2,}", span)]
    assert [span for span in own if not is_defined(span)] == []
    assert [name for name in single if not re.search(rf"\b{name}\b", product_text())] == []


@functools.cache
def product_text() -> str:
    return "\n".join(path.read_text() for path in product_files().values())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document):
    text = (REPOSITORY_ROOT / document).read_text()
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    folder = (REPOSITORY_ROOT / document).parent
    assert [
        target
        for target in targets
        if not target.startswith("http") and not (folder / target).exists()
    ] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_to_a_heading_leads_to_one(document):
    text = (REPOSITORY_ROOT / document).read_text()
    folder = (REPOSITORY_ROOT / document).parent
    links = re.findall(r"\]\(([\w./-]*\.md)#([\w-]+)\)", text)
    assert [link for link in links if link[1] not in anchors(folder / link[0])] == []


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_exists(document):
    options = set(re.findall(r"--[a-z][a-z-]+", "\n".join(commands(document))))
    own = {option for option in options if option not in OPTIONS_OF_OTHER_PROGRAMS}
    assert own - product_options() == set()


def commands(document: str) -> list[str]:
    """Return the code spans and the indented lines of a document."""
    text = (REPOSITORY_ROOT / document).read_text()
    return [*CODE_SPAN.findall(text), *re.findall(r"^    .*$", text, flags=re.MULTILINE)]


@functools.cache
def product_options() -> set[str]:
    """Return the options of all commands: fields of the settings classes, and their negations."""
    paths = [path for path in product_files() if path.endswith("settings.py")]
    classes = [
        node for path in paths for node in names_of(path).values() if isinstance(node, ast.ClassDef)
    ]
    fields = {name.replace("_", "-") for node in classes for name in defined_names(node.body)}
    return {f"--{field}" for field in fields} | {f"--no-{field}" for field in fields}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_subcommand_exists(document):
    named = re.findall(
        r"-m (data_collection|validation) ([a-z][a-z-]*)", "\n".join(commands(document))
    )
    assert [pair for pair in named if pair[1] not in subcommands(pair[0])] == []


def subcommands(room: str) -> set[str]:
    node = names_of(f"{room}/__main__.py")["COMMANDS"]
    return {key.value for key in node.value.keys}


def test_the_map_has_a_line_for_every_package():
    text = (REPOSITORY_ROOT / "docs" / "architecture.md").read_text()
    packages = {path.rpartition("/")[0] for path in product_files() if path.endswith("__init__.py")}
    inside = {
        package
        for package in packages
        if "/" in package and package.split("/")[0] in PRODUCT_FOLDERS
    }
    assert [package for package in sorted(inside) if f"| `{package}/` |" not in text] == []


def test_the_readme_is_short():
    assert len((REPOSITORY_ROOT / "README.md").read_text().splitlines()) <= MAX_README_LINES


def test_comments_in_the_readmes_code_are_short_enough_for_a_narrow_page():
    lines = re.findall(r"^    .*#.*$", (REPOSITORY_ROOT / "README.md").read_text(), re.MULTILINE)
    assert [line for line in lines if len(line.strip()) > MAX_COMMENTED_LINE_CHARACTERS] == []
