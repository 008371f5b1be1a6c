"""Samples in partitions on the workers of a cluster, and sums over them.

What comes here is small: classes, numbers of rows, sums.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from distributed import Client, Future

from sknn3._arrays import HOST, Home
from sknn3._parallel import Undisturbed, block_map
from sknn3._samples import (
    Classes,
    draw_held_out,
    raise_no_class_weight,
    unit_of,
    warn_of_many_classes,
)
from sknn3.dask._connection import asked, settled
from sknn3.dask._sums import Sums, rounded
from sknn3.dask._work import (
    Summary,
    as_rows,
    count_sums,
    encode,
    first,
    receive,
    second,
    select,
    size_of,
    stratum_counts,
    sum_parts,
    weigh,
)


def each(
    client: Client,
    function: Callable[..., Any],
    *columns: Iterable[Any],
    last: tuple[Any, ...] = (),
) -> list[Future]:
    """Have a function called on the entries of each row of these columns."""
    return [
        client.submit(function, *row, *last, pure=False)
        for row in zip(*columns, strict=True)
    ]


def each_where_it_is(
    client: Client,
    function: Callable[..., Any],
    rows: list[Future],
    *columns: Iterable[Any],
    last: tuple[Any, ...] = (),
) -> list[Future]:
    """Do so where the first of the entries are, which are large."""
    holders = asked(client, client.who_has, rows)
    return [
        client.submit(
            function,
            future,
            *others,
            *last,
            pure=False,
            workers=holders.get(future.key) or None,
            allow_other_workers=bool(holders.get(future.key)),
        )
        for future, *others in zip(rows, *columns, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class Partitions:
    """Samples of a fit on a cluster (`sknn3._samples.Data`).

    For each partition that has any: the futures of its rows and of its `Part`, and how
    many samples it has.
    """

    client: Client
    rows: list[Future]
    parts: list[Future]
    sizes: list[int]
    classes: Classes
    template: np.ndarray
    is_sparse: bool
    unit: float = 1.0
    last: deque[list[Future]] = field(default_factory=lambda: deque(maxlen=1))

    @classmethod
    def present(
        cls,
        client: Client,
        X: list[Future],
        y: list[Future],
        sample_weight: list[Future] | None = None,
        *,
        class_weight: Any,
        name: str,
    ) -> Partitions:
        """Validate partitions and encode their labels, where they are."""
        weights = sample_weight if sample_weight is not None else [None] * len(X)
        pairs = each_where_it_is(
            client,
            receive,
            settled(client, X),
            y,
            weights,
            range(len(X)),
            last=(name,),
        )
        received = each(client, first, pairs)
        summaries = asked(client, client.gather, each(client, second, pairs))
        del pairs
        dtype = _common_dtype(summaries)
        if not all(s.as_it_is and s.dtype == dtype for s in summaries):
            X = each_where_it_is(client, as_rows, X, last=(dtype,))
        classes = _common_classes(summaries, weighted=sample_weight is not None)
        data = cls(
            client,
            X,
            each(client, encode, received, last=(classes,)),
            [s.n_samples for s in summaries],
            classes,
            np.empty((0, summaries[0].n_features), dtype),
            summaries[0].is_sparse,
        ).without_empty()
        warn_of_many_classes(len(classes.values), data.n_samples)
        if class_weight is not None:
            data = data.times(classes.weights(class_weight, data.counts))
            if not data.n_samples:
                raise_no_class_weight(class_weight)
        return data.in_own_unit()

    def in_own_unit(self) -> Partitions:
        """Tell weights in a unit near their mean."""
        mean = self.total_weight * self.unit / self.n_samples
        return replace(self, unit=unit_of(mean))

    def times(self, class_weights: np.ndarray) -> Partitions:
        """Multiply weights by those of the classes."""
        parts = each(self.client, weigh, self.parts, last=(class_weights,))
        sizes = asked(
            self.client, self.client.gather, each(self.client, size_of, parts)
        )
        return replace(self, parts=parts, sizes=sizes).without_empty()

    def without_empty(self) -> Partitions:
        """Leave out partitions without samples."""
        kept = [i for i, size in enumerate(self.sizes) if size]
        return replace(
            self,
            rows=[self.rows[i] for i in kept],
            parts=[self.parts[i] for i in kept],
            sizes=[self.sizes[i] for i in kept],
        )

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return sum(self.sizes)

    @cached_property
    def _count_sums(self) -> tuple[np.ndarray, float]:
        counts, total_weight = self.sum(count_sums)
        return counts, total_weight

    @property
    def counts(self) -> np.ndarray:
        """Weights of the classes, see `Classes.count`."""
        return self._count_sums[0]

    @property
    def total_weight(self) -> float:
        """Sum of all weights."""
        return self._count_sums[1]

    @property
    def home(self) -> Home:
        """Where the products are done: in NumPy."""
        return Home(HOST, None)

    @contextmanager
    def on_threads(self, undisturbed: Undisturbed) -> Iterator[Partitions]:
        """Give the same samples; the threads are the cluster's."""
        with block_map(1, undisturbed):
            yield self

    def sum(self, function: Callable[..., Sums], *args: Any) -> Sums:
        """Add what the function, of `Samples` and these arguments, says of each part.

        The same to the bit, wherever the partitions are.
        """
        first_rows = np.cumsum([0, *self.sizes]).tolist()
        futures = [
            self.client.submit(
                sum_parts,
                function,
                args,
                [first_rows[i] for i in share],
                [self.rows[i] for i in share],
                [self.parts[i] for i in share],
                self.unit,
                pure=False,
                workers=worker,
                allow_other_workers=worker is not None,
            )
            for worker, share in self._shares()
        ]
        # Those of the sum before are let go after these are asked for: for 10 ms
        # after a message, of which this makes one, the client saves up others.
        self.last.append(futures)
        shares = asked(self.client, self.client.gather, futures)
        # Whoever asks looks at what comes out.
        with np.errstate(over="ignore", invalid="ignore"):
            return rounded(shares)

    def _shares(self) -> Iterable[tuple[str | None, list[int]]]:
        """Deal the partitions to workers that hold them, a share for each thread."""
        holders = asked(self.client, self.client.who_has, self.rows)
        of_worker: dict[str | None, list[int]] = defaultdict(list)
        for i, future in enumerate(self.rows):
            # None, if it is still to be computed, or again: no share brings such
            # partitions together in one place.
            workers = holders.get(future.key) or [None]
            of_worker[min(workers, key=lambda w: len(of_worker.get(w, ())))].append(i)
        n_threads = asked(self.client, self.client.nthreads)
        for worker, held in of_worker.items():
            n_shares = min(n_threads.get(worker, len(held)), len(held))
            for share in np.array_split(held, n_shares):
                yield worker, share.tolist()

    def split(
        self, fraction: float, rng: np.random.RandomState
    ) -> tuple[Partitions, Partitions]:
        """Part off a share of the samples, of each class unless multilabel."""
        of_parts = each(self.client, stratum_counts, self.parts)
        counts = np.array(asked(self.client, self.client.gather, of_parts))
        edges = np.cumsum(counts, axis=0)
        places: list[list[np.ndarray]] = [[] for _ in self.parts]
        for stratum, drawn in enumerate(draw_held_out(edges[-1], fraction, rng)):
            ends = np.searchsorted(drawn, edges[:, stratum])
            starts = edges[:, stratum] - counts[:, stratum]
            for i, of_part in enumerate(np.split(drawn, ends[:-1])):
                places[i].append(of_part - starts[i])
        n_held_out = [sum(map(len, of_part)) for of_part in places]

        def selected(sizes: list[int], *, held_out: bool) -> Partitions:
            parts = each(self.client, select, self.parts, places, last=(held_out,))
            return replace(self, parts=parts, sizes=sizes).without_empty()

        n_left = [n - m for n, m in zip(self.sizes, n_held_out, strict=True)]
        # Without the others, all that is left may be next to nothing in their unit.
        rest, held_out = (
            selected(n_left, held_out=False),
            selected(n_held_out, held_out=True),
        )
        return rest.in_own_unit(), held_out.in_own_unit()


def _common_dtype(summaries: list[Summary]) -> Any:
    _check_columns("X", {s.n_features for s in summaries})
    if len({s.is_sparse for s in summaries}) > 1:
        raise ValueError(
            "Some partitions of X are sparse matrices and some are not, expected one "
            "kind."
        )
    return np.result_type(*(s.dtype for s in summaries))


def _common_classes(summaries: list[Summary], *, weighted: bool) -> Classes:
    inhabited = [s for s in summaries if s.classes is not None]
    if not inhabited:
        where = "sample_weight is 0 for all samples" if weighted else "X has no rows"
        raise ValueError(f"{where}, expected at least one to train on.")
    _check_columns("y", {s.n_columns_of_y for s in inhabited})
    found = [s.classes for s in inhabited if s.classes is not None]
    if len({classes.values.dtype.kind in "OSTU" for classes in found}) > 1:
        raise ValueError(
            "y has strings in some partitions and numbers in others, expected classes "
            "of one kind."
        )
    return Classes.union(found)


def _check_columns(name: str, numbers: set[int]) -> None:
    if len(numbers) > 1:
        raise ValueError(
            f"Partitions of {name} have {sorted(numbers)} columns, expected as many in "
            "each."
        )
