"""A drawing of the package's modules, and a table of them, made from the code.

``tests/test_imports.py`` reads imports by the same functions and holds what is allowed.
"""

import ast
from pathlib import Path
from statistics import fmean

PACKAGE = Path(__file__).parents[1] / "sknn3"

# Colours of the boxes, by how a module's name begins: the first that fits.
COLORS = {
    "dask": "#fde3c8",
    "display": "#ddeecb",
    "_": "#ffffff",
    "": "#cfe3f5",
}
WIDTH, HEIGHT, GAP = 1.3, 0.36, 0.12  # of boxes, in inches; the gap lies between them
LEVEL = 0.72  # from one row of boxes to the next


def module_files() -> dict[str, Path]:
    """Each module's file, by its name within the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        *folders, name = path.relative_to(PACKAGE).with_suffix("").parts
        package_itself = name == "__init__" and folders
        found[".".join(folders if package_itself else [*folders, name])] = path
    return found


def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """Modules of the package, and packages outside, that a file imports."""
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
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
    """All that a module imports, directly or not."""
    return graph[module].union(*(needed(graph, other) for other in graph[module]))


def direct_only(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out arrows that a longer way makes superfluous."""
    return {
        module: others - set().union(*(needed(graph, other) for other in others))
        for module, others in graph.items()
    }


def levels(graph: dict[str, set[str]]) -> list[list[str]]:
    """Put each module in the row below the lowest of those that import it."""
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


def places(graph: dict[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Give each module's place: near the middle of those that it is joined to."""
    joined = {m: graph[m] | {n for n in graph if m in graph[n]} for m in graph}
    # Pictures, which nothing joins to others, go to the left, the cluster to the right.
    side = {"display": [-3.2], "dask": [4.0]}
    pulled = {m: side.get(m.partition(".")[0], []) for m in graph}
    x = {m: sum(pulled[m]) for m in graph}
    rows = levels(graph)
    for _ in range(60):
        for row in rows:
            wish = {
                m: fmean([x[m], *pulled[m], *(x[n] for n in joined[m])]) for m in row
            }
            row.sort(key=lambda m: (wish[m], m))
            # No two boxes overlap: each is pushed right of the one before it, and all
            # go back by what that moved them in the mean.
            at = [wish[m] for m in row]
            for i in range(1, len(row)):
                at[i] = max(at[i], at[i - 1] + WIDTH + GAP)
            back = fmean(at) - fmean(wish.values())
            x.update({m: a - back for a, m in zip(at, row, strict=True)})
    lowered = len(rows) - 4  # pictures stand where rows are short
    return {
        m: (x[m], -LEVEL * (i + lowered * m.startswith("display")))
        for i, row in enumerate(rows)
        for m in row
    }


def write(path: Path) -> None:
    """Draw the modules, with an arrow from each to those that it imports."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    graph = direct_only({m: imports_of(f)[0] for m, f in module_files().items()})
    at = places(graph)
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
    # The same drawing each time: no date, and no random names.
    with mpl.rc_context({"svg.hashsalt": "sknn3"}):
        figure.savefig(path, metadata={"Date": None})


def table() -> str:
    """Each module with the first line of its docstring, as a table in Markdown."""
    rows = ["| module | duty |", "| --- | --- |"]
    for name, path in module_files().items():
        first = ast.get_docstring(ast.parse(path.read_text())).splitlines()[0]
        rows.append(f"| `{name}` | {first} |")
    return "\n".join(rows) + "\n"
