"""Measure the overhead of a pass on a cluster of local processes.

The workers are processes with one thread each, and make their data themselves.  A pass
is one evaluation of cost and gradient.  Its overhead is its time minus the time that
the slowest worker computes.  A relay between the scheduler and the workers can delay
bytes as a network would.  The script prints a table for each section, fits the cost
model of docs/user_guide/scaling.md, and writes all figures to a file::

    python examples/benchmark_cluster.py --quick
    python examples/benchmark_cluster.py --json benchmarks_cluster.json

It takes six minutes and 2 GiB on two cores, with `--quick` two minutes.  Run it on an
idle machine: scheduler, client and workers compete for the cores.  Minima vary less
than medians.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from scipy.optimize import nnls

from sknn3._dataset import Dataset
from sknn3._kernel import Network
from sknn3.dask._partitions import Partitions

Row = dict[str, Any]
N_CLASSES = 10
DIGITS, MNIST = (400, 25), (784, 100)  # features, hidden units
# This setting makes glibc keep the memory of large arrays between passes.
KEEPING = {"MALLOC_MMAP_THRESHOLD_": str(2**25)}


def main() -> None:
    """Run the chosen sections."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller runs")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=[*SECTIONS])
    arguments = parser.parse_args()
    report: dict[str, Any] = {"about": about(), "quick": arguments.quick}
    print(", ".join(f"{name}: {value}" for name, value in report["about"].items()))
    for name in arguments.sections:
        print(f"\n{name}: {SECTIONS[name].__doc__.splitlines()[0]}")
        report[name] = []
        for row in SECTIONS[name](arguments.quick):
            report[name].append(row)
            print("  " + "  ".join(f"{k} {tidy(v)}" for k, v in row.items()))
    print("\nmodel: seconds of each term, and the errors of the model")
    report["model"] = model_of(report)
    for name, value in report["model"].items():
        print(f"  {name} {tidy(value)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def load() -> str:
    """Return the load of the machine; Windows does not measure it."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def about() -> dict[str, str]:
    """Return the machine and the versions of the packages."""
    packages = ("sknn3", "numpy", "scipy", "scikit-learn", "dask", "distributed")
    return {
        "machine": platform.machine(),
        "cpus": str(os.cpu_count()),
        "load": load(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def tidy(value: Any) -> str:
    """Return a float with three digits, and other values as text."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# ------------------------------------------------------------------------ clusters


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for processes that start in the context."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:  # dask sets variables too, and does not unset them
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def local_cluster(n_workers: int, **variables: str) -> Iterator[Client]:
    """Start worker processes of one thread, and connect to them."""
    with (
        environment(**variables),
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def distant_cluster(n_workers: int, delay: float, rate: float) -> Iterator[Client]:
    """Start a scheduler and workers with a relay between them, and connect to it.

    All bytes to the workers share one line, and all bytes from them another.  A line
    carries `rate` bytes a second, and delays each byte by `delay` seconds.
    """
    ports = free_ports(2 * n_workers + 1)
    behind, in_front = ports[:n_workers], ports[n_workers:-1]
    with ExitStack() as stack:
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=0, dashboard_address=":0", silence_logs=logging.ERROR
            )
        )
        client = stack.enter_context(Client(cluster))
        scheduler = int(cluster.scheduler_address.rpartition(":")[2])
        doors = [(ports[-1], scheduler, True)]
        doors += [(a, b, False) for a, b in zip(in_front, behind, strict=True)]
        relay = get_context("spawn").Process(
            target=run_relay, args=(doors, delay, rate)
        )
        relay.start()
        stack.callback(relay.join)
        stack.callback(relay.terminate)
        wait_for_port(ports[-1])
        for a, b in zip(in_front, behind, strict=True):
            stack.enter_context(worker_behind(ports[-1], door=a, port=b))
        client.wait_for_workers(n_workers, timeout=60)
        yield client


@contextmanager
def worker_behind(scheduler: int, *, door: int, port: int) -> Iterator[None]:
    """Start a worker that other processes reach through the relay only."""
    command = [sys.executable, "-m", "dask", "worker"]
    command += [f"tcp://127.0.0.1:{scheduler}", "--no-nanny", "--nthreads", "1"]
    command += ["--listen-address", f"tcp://127.0.0.1:{port}", "--no-dashboard"]
    command += ["--contact-address", f"tcp://127.0.0.1:{door}"]
    with environment(MALLOC_TRIM_THRESHOLD_="65536", OMP_NUM_THREADS="1"):
        worker = subprocess.Popen(  # noqa: S603 (a command of dask)
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    try:
        yield
    finally:
        worker.kill()  # it would try to reconnect to a closed scheduler
        worker.wait()


def free_ports(n_ports: int) -> list[int]:
    """Return free ports."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n_ports)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for_port(port: int) -> None:
    """Wait until a process listens on a port."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return


class Line:
    """A line that carries the bytes of all connections in their order."""

    def __init__(self, delay: float, rate: float) -> None:
        self.delay = delay
        self.rate = rate
        self.free_at = 0.0

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Forward the bytes of a connection after the delay of the line."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(deliver(on_the_way, writer))
        data = b"start"
        while data:
            try:
                data = await reader.read(2**16)
            except ConnectionError:
                data = b""
            self.free_at = max(self.free_at, perf_counter()) + len(data) / self.rate
            on_the_way.put_nowait((self.free_at + self.delay, data))
        await delivery


async def deliver(
    on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    """Write each piece at its due time, until the connection ends."""
    data = b"start"
    try:
        while data:
            due, data = await on_the_way.get()
            await asyncio.sleep(max(due - perf_counter(), 0))
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def run_relay(doors: list[tuple[int, int, bool]], delay: float, rate: float) -> None:
    """Forward from each door to its port, until terminated."""
    outward, inward = Line(delay, rate), Line(delay, rate)

    async def open_door(door: int, port: int, to_scheduler: bool) -> None:
        there, back = (inward, outward) if to_scheduler else (outward, inward)

        async def connect(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            try:
                reader2, writer2 = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                writer.close()
                return
            await asyncio.gather(
                there.carry(reader, writer2), back.carry(reader2, writer)
            )

        await asyncio.start_server(connect, "127.0.0.1", door)

    async def stay() -> None:
        for door in doors:
            await open_door(*door)
        await asyncio.Event().wait()

    asyncio.run(stay())


# ------------------------------------------------------------------ how to measure


def noise(block_info: Any, n_features: int, kind: Any) -> np.ndarray:
    """Make the rows of a partition."""
    start, stop = block_info[None]["array-location"][0]
    rng = np.random.default_rng(start)
    return rng.random((stop - start, n_features), dtype=kind)


def labels(block_info: Any) -> np.ndarray:
    """Make the labels of a partition."""
    start, stop = block_info[None]["array-location"][0]
    return np.random.default_rng(start).integers(0, N_CLASSES, stop - start)


def make_data(
    client: Client, n_rows: int, n_features: int, dtype: Any, n_partitions: int
) -> Partitions:
    """Return random samples that the workers make and keep."""
    sizes = (n_rows // n_partitions,) * n_partitions
    X = da.map_blocks(
        noise,
        n_features=n_features,
        kind=dtype,
        chunks=(sizes, (n_features,)),
        dtype=dtype,
        meta=np.empty((0, n_features), dtype),
    )
    y = da.map_blocks(labels, chunks=(sizes,), dtype=int, meta=np.empty(0, int))
    return Partitions.from_arrays(client, [X, y], class_weight=None, name="benchmark")


def timed_sums(
    dataset: Dataset, params: np.ndarray, network: Network, workers: list[int]
) -> tuple[Any, ...]:
    """Return the time of each worker, in total and on a processor, and the sums."""
    start, of_thread = perf_counter(), time.thread_time()
    cost, gradient = dataset.loss_gradient_sums(params, network)
    spent = np.zeros((len(workers), 2))
    spent[workers.index(os.getpid())] = (
        perf_counter() - start,
        time.thread_time() - of_thread,
    )
    return spent, cost, gradient


def time_passes(data: Partitions, n_hidden: int, n_turns: int) -> Row:
    """Return milliseconds of a pass, of its slowest worker, and the overhead."""
    n_features = data.n_features
    n_params = n_hidden * (n_features + 1) + N_CLASSES * (n_hidden + 1)
    params = np.random.default_rng(0).standard_normal(n_params) / 10
    sums = partial(
        timed_sums,
        params=params,
        network=Network(n_hidden, "logistic", "softmax"),
        workers=sorted(data.client.run(os.getpid).values()),
    )
    turns = []
    for _ in range(n_turns + 2):
        start = perf_counter()
        spent, _, _ = data.sum(sums)
        wall = perf_counter() - start
        slowest, processor = spent.max(axis=0)
        turns.append((wall, slowest, wall - slowest, processor))
    milliseconds = 1e3 * np.array(turns[2:])
    wall, slowest, overhead, processor = np.median(milliseconds, axis=0).tolist()
    return {
        "rows": data.n_samples,
        "features": n_features,
        "units": n_hidden,
        "dtype": data.X_like.dtype.name,
        "partitions": len(data.parts),
        "weights": n_params,
        "tasks": len([*data._shares()]),  # noqa: SLF001 (a task sums a share)
        "ms a pass": wall,
        "least": milliseconds[:, 0].min().item(),
        "slowest worker": slowest,
        "its processor": processor,
        "its least": milliseconds[:, 1].min().item(),
        "overhead": overhead,
        "least overhead": milliseconds[:, 2].min().item(),
    }


# ------------------------------------------------------------------------ sections


def measure_overhead(quick: bool) -> Iterator[Row]:
    """Milliseconds of a pass minus those of the slowest worker."""
    for n_workers in (1, 2):
        with local_cluster(n_workers) as client:
            for n_features, n_hidden in (DIGITS, MNIST):
                for dtype in (np.float32, np.float64):
                    data = make_data(client, 5000, n_features, dtype, 2)
                    times = time_passes(data, n_hidden, 10 if quick else 40)
                    yield {"workers": n_workers} | times


def measure_speedup(quick: bool) -> Iterator[Row]:
    """Time passes of half a second and more, on one worker and on two."""
    problems = [
        ((100, 25), np.float32, 2000000),
        (DIGITS, np.float32, 500000),
        (DIGITS, np.float64, 250000),
        ((400, 100), np.float32, 250000),
        (MNIST, np.float32, 150000),
        (MNIST, np.float64, 80000),
    ]
    for name, variables in (("dask's", {}), ("keeping", KEEPING)):
        for (n_features, n_hidden), dtype, n_rows in problems:
            walls = []
            for n_workers in (1, 2):
                with local_cluster(n_workers, **variables) as client:
                    n = n_rows // 10 if quick else n_rows
                    data = make_data(client, n, n_features, dtype, 4)
                    times = time_passes(data, n_hidden, 3 if quick else 7)
                walls.append(
                    [times[k] for k in ("ms a pass", "least", "its processor")]
                )
                yield {"memory": name, "workers": n_workers} | times
            medians, least, processor = zip(*walls, strict=True)
            yield {
                "memory": name,
                "speed-up": medians[0] / medians[1],
                "of the least": least[0] / least[1],
                "of processor time": processor[0] / processor[1],
            }


def measure_costs(quick: bool) -> Iterator[Row]:
    """Time passes with little to compute, by tasks, partitions and bytes."""
    for n_workers in (1, 2, 4):
        with local_cluster(n_workers) as client:
            for n_features, n_hidden in ((20, 5), DIGITS, MNIST, (784, 400)):
                for n_partitions in (8, 32, 128):
                    if n_hidden == 400 and n_partitions > 32:
                        continue  # seconds of copying
                    data = make_data(client, 1280, n_features, np.float32, n_partitions)
                    times = time_passes(data, n_hidden, 3 if quick else 10)
                    yield {"workers": n_workers} | times


def measure_distance(quick: bool) -> Iterator[Row]:
    """Time passes over a slow network."""
    lines = [(0, np.inf), (5e-3, np.inf), (20e-3, np.inf), (0, 12.5e6), (5e-3, 125e6)]
    for delay, rate in lines:
        for n_workers in (1, 2):
            with distant_cluster(n_workers, delay, rate) as client:
                for (n_features, n_hidden), n_rows in ((DIGITS, 50000), (MNIST, 20000)):
                    data = make_data(client, n_rows, n_features, np.float32, 2)
                    times = time_passes(data, n_hidden, 5 if quick else 15)
                    line = {"ms one way": 1e3 * delay, "MB a second": rate / 1e6}
                    yield line | {"workers": n_workers} | times


SECTIONS = {
    "overhead": measure_overhead,
    "speedup": measure_speedup,
    "costs": measure_costs,
    "distance": measure_distance,
}


# --------------------------------------------------------------------------- model


def model_of(report: dict[str, Any]) -> Row:
    """Fit the constants to the sections, and predict the section `distance`."""
    model: Row = {}
    speeds = [row for row in report.get("speedup", []) if "rows" in row]
    for memory in ("dask's", "keeping"):
        for dtype in ("float32", "float64"):
            rows = [r for r in speeds if (r["memory"], r["dtype"]) == (memory, dtype)]
            if rows:
                fitted, errors = fit([work_of(row) for row in rows], seconds_of(rows))
                model[f"{memory} {dtype}: s a multiplication"] = fitted[0]
                model[f"{memory} {dtype}: s a unit of a row"] = fitted[1]
                model[f"{memory} {dtype}: errors"] = errors
    costs = report.get("costs")
    if not costs:
        return model
    overheads = [row["overhead"] / 1e3 for row in costs]
    constants, errors = fit([traffic_of(row) for row in costs], overheads)
    model |= dict(zip(TRAFFIC, constants.tolist(), strict=True))
    model["errors of overheads"] = errors
    for row in report.get("distance", []):
        away = 4 * row["ms one way"] + bytes_of(row) / row["MB a second"] / 1e3
        row["foreseen"] = (
            row["slowest worker"] + away + 1e3 * float(traffic_of(row) @ constants)
        )
        row["error"] = row["foreseen"] / row["ms a pass"] - 1
        shown = ("ms one way", "MB a second", "workers", "weights", "slowest worker")
        shown += ("ms a pass", "foreseen", "error")
        print("  " + "  ".join(f"{k} {tidy(row[k])}" for k in shown))
    return model


TRAFFIC = ("s a pass", "s a task", "s a partition", "s a byte", "s a weight added")


def traffic_of(row: Row) -> np.ndarray:
    """Return the amounts of the terms in `TRAFFIC`."""
    n_tasks, n_partitions = row["tasks"], row["partitions"]
    added = (n_partitions / n_tasks + n_tasks) * row["weights"]  # on workers and client
    return np.array([1, n_tasks, n_partitions, bytes_of(row), added])


def bytes_of(row: Row) -> int:
    """Return the bytes of weights and sums, with rounding errors if there are any."""
    numbers = 2 if row["partitions"] == row["tasks"] else 3
    return row["tasks"] * numbers * 8 * row["weights"]


def work_of(row: Row) -> np.ndarray:
    """Return multiplications and activations of the slowest worker."""
    n_rows = row["rows"] / row["workers"]
    units = row["units"] + N_CLASSES
    return np.array([2 * n_rows * row["features"] * row["units"], n_rows * units])


def seconds_of(rows: list[Row]) -> list[float]:
    """Return the processor time of the slowest worker in seconds."""
    return [row["its processor"] / 1e3 for row in rows]


def fit(terms: list[np.ndarray], seconds: list[float]) -> tuple[np.ndarray, str]:
    """Return nonnegative constants with the least relative errors, and these."""
    relative = np.array(terms) / np.array(seconds)[:, np.newaxis]
    constants, _ = nnls(relative, np.ones(len(seconds)))
    errors = np.abs(relative @ constants - 1)
    return constants, f"median {np.median(errors):.0%}, largest {errors.max():.0%}"


if __name__ == "__main__":
    main()
