"""A drawing and a table of the package's modules, made from the code.

``tests/test_imports.py`` uses the same functions to compare the imports with a list.
"""

import ast
from pathlib import Path
from statistics import fmean

PACKAGE = Path(__file__).parents[1] / "sknn3"

# Colours of the boxes: the first prefix that matches the module's name counts.
COLORS = {
    "dask": "#fde3c8",
    "display": "#ddeecb",
    "_": "#ffffff",
    "": "#cfe3f5",
}
WIDTH, HEIGHT, GAP = 1.3, 0.36, 0.12  # of a box, and the gap between two, in inches
LEVEL = 0.72  # distance between two rows of boxes, in inches


def module_files() -> dict[str, Path]:
    """Return the file of each module, by the module's name in the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        *folders, name = path.relative_to(PACKAGE).with_suffix("").parts
        package_itself = name == "__init__" and folders
        found[".".join(folders if package_itself else [*folders, name])] = path
    return found


def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """Return the package's modules and the other packages that a file imports."""
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path} imports relatively, from {node.module}")
            names = [node.module]
            if node.module == "sknn3":
                names = [f"sknn3.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            inside.add(rest) if top == "sknn3" else outside.add(top)
    return inside, outside


def needed(graph: dict[str, set[str]], module: str) -> set[str]:
    """Return all modules that a module imports, directly or not."""
    return graph[module].union(*(needed(graph, other) for other in graph[module]))


def direct_only(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the graph without imports that a longer path implies."""
    return {
        module: others - set().union(*(needed(graph, other) for other in others))
        for module, others in graph.items()
    }


def levels(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return rows of modules; each module is below all modules that import it."""
    importers = {m: {n for n in graph if m in graph[n]} for m in graph}
    depth: dict[str, int] = {}
    while len(depth) < len(graph):
        for module, others in importers.items():
            if others <= set(depth):
                depth[module] = 1 + max((depth[other] for other in others), default=-1)
    return [
        sorted(module for module in graph if depth[module] == level)
        for level in range(max(depth.values()) + 1)
    ]


def positions(graph: dict[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Return the centre of each box, near the modules that it is connected to."""
    neighbours = {m: graph[m] | {n for n in graph if m in graph[n]} for m in graph}
    # The displays, which no other module imports, go to the left, dask to the right.
    # The others leave the middle, where boxes would hide arrows.
    side = {"display": [-3.8], "network": [-4.0], "dask": [4.0]}
    side |= {"_conditioning": [4.0], "_rounding": [3.0]}
    anchors = {m: side.get(m.partition(".")[0], []) for m in graph}
    x = {m: sum(anchors[m]) for m in graph}
    rows = levels(graph)
    for _ in range(60):
        for row in rows:
            target = {
                m: fmean([x[m], *anchors[m], *(x[n] for n in neighbours[m])])
                for m in row
            }
            row.sort(key=lambda m: (target[m], m))
            # Boxes must not overlap: each moves to the right of the one before it, and
            # then all move left, so that the mean of the row stays.
            at = [target[m] for m in row]
            for i in range(1, len(row)):
                at[i] = max(at[i], at[i - 1] + WIDTH + GAP)
            shift = fmean(at) - fmean(target.values())
            x.update({m: a - shift for a, m in zip(at, row, strict=True)})
    lowered = len(rows) - 4  # the displays go beside the lower rows, which are short
    return {
        m: (x[m], -LEVEL * (i + lowered * m.startswith("display")))
        for i, row in enumerate(rows)
        for m in row
    }


def write(path: Path) -> None:
    """Draw the modules, with arrows to the modules that each imports."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    graph = direct_only({m: imports_of(f)[0] for m, f in module_files().items()})
    at = positions(graph)
    right = [x for x, _ in at.values()]
    down = [y for _, y in at.values()]
    figure = Figure(
        figsize=(max(right) - min(right) + WIDTH + GAP, -min(down) + 2 * HEIGHT)
    )
    ax = figure.add_axes((0, 0, 1, 1))
    ax.axis("off")
    ax.set_xlim(min(right) - (WIDTH + GAP) / 2, max(right) + (WIDTH + GAP) / 2)
    ax.set_ylim(min(down) - HEIGHT, HEIGHT)
    for module, (x, y) in at.items():
        color = next(c for start, c in COLORS.items() if module.startswith(start))
        if module == "__init__":
            color = COLORS[""]
        ax.add_patch(
            FancyBboxPatch(
                (x - WIDTH / 2, y - HEIGHT / 2),
                WIDTH,
                HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=color,
                edgecolor="0.4",
                zorder=2,
            )
        )
        package, _, name = module.rpartition(".")
        label = "sknn3" if module == "__init__" else f".{name}" if package else name
        ax.text(
            x, y, label, ha="center", va="center", size=9, family="monospace", zorder=3
        )
        for other in graph[module]:
            ax.add_patch(
                FancyArrowPatch(
                    (x, y - HEIGHT / 2),
                    (at[other][0], at[other][1] + HEIGHT / 2),
                    arrowstyle="-|>",
                    mutation_scale=10,
                    color="0.5",
                    shrinkA=0,
                    shrinkB=0,
                    zorder=1,
                )
            )
    # Without a date and random names the file is the same at each build.
    with mpl.rc_context({"svg.hashsalt": "sknn3"}):
        figure.savefig(path, metadata={"Date": None})


def table() -> str:
    """Return a Markdown table of the modules and first lines of their docstrings."""
    rows = ["| module | purpose |", "| --- | --- |"]
    for name, path in module_files().items():
        first = ast.get_docstring(
            ast.parse(path.read_text(encoding="utf-8"))
        ).splitlines()[0]
        rows.append(f"| `{name}` | {first} |")
    return "\n".join(rows) + "\n"
