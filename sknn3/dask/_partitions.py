"""Samples of a fit in partitions on the workers, and sums over the samples.

The client receives only small results: classes, numbers of samples and sums.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import itemgetter, methodcaller
from typing import Any

import dask.array as da
import numpy as np
from dask.core import flatten
from distributed import Client, Future
from scipy.sparse import issparse

from sknn3._dataset import Dataset, select_columns
from sknn3._labels import LabelEncoding, draw_stratified_holdout
from sknn3._parallel import single_blas_thread
from sknn3.dask._client import gather, sync
from sknn3.dask._tasks import (
    Sums,
    as_rows,
    check_rows,
    compensated,
    count_samples,
    divide_weights,
    encode_partition,
    find_classes,
    rounded_total,
    sum_partitions,
)


def persist_partitions(client: Client, arrays: list[da.Array]) -> list[list[Future]]:
    """Compute partitions on the workers, and return their futures in order."""
    return [
        [array.dask[key] for key in flatten(array.__dask_keys__())]
        for array in client.persist(arrays)
    ]


def _summed(method: str) -> Any:
    """Return a method that adds the sums of a method of `Dataset`."""

    def sum_over_partitions(self: Partitions, *args: Any, **kwargs: Any) -> Sums:
        return self.sum(methodcaller(method, *args, **kwargs))

    return sum_over_partitions


@dataclass(frozen=True, eq=False)
class Partitions:
    """The samples of a fit on a cluster, with the interface of `Dataset`.

    Three lists have an entry for each partition with rows: `rows` has the future of
    the rows, `parts` the future of codes and weights, `sizes` the number of samples.
    """

    client: Client
    rows: list[Future]
    parts: list[Future]
    labels: LabelEncoding
    X_like: Any
    sizes: list[int] = field(default_factory=list)
    n_samples: int = 0
    class_counts: Any = None
    class_sizes: Any = None
    total_weight: float = 0.0
    mean_weight: float = 1.0
    class_weights: np.ndarray | None = None
    pass_futures: list[Future] = field(default_factory=list)

    @classmethod
    def from_arrays(
        cls,
        client: Client,
        arrays: list[da.Array],
        class_weight: Any,
        training: Partitions | None = None,
    ) -> Partitions:
        """Check X, y and, if given, sample_weight.

        If `training` is given, it determines the classes, class weights and dtype.
        """
        futures = persist_partitions(client, arrays)
        facts = gather(client, client.map(check_rows, futures[0]))
        indices = [i for i, (n_rows, *_) in enumerate(facts) if n_rows]
        if not indices:
            raise ValueError("X has no rows, expected at least one.")
        X, *others = ([column[i] for i in indices] for column in futures)
        n_rows, templates, are_readable = zip(*(facts[i] for i in indices), strict=True)
        widths, n_features = {t.shape[1] for t in templates}, arrays[0].shape[1]
        if widths != {n_features}:
            raise ValueError(
                f"Partitions of X have {sorted(widths)} columns, expected {n_features} "
                "according to the metadata of X."
            )
        dtype = np.result_type(*(t.dtype for t in templates))
        X_like = training.X_like if training else templates[0].astype(dtype)
        if len({issparse(template) for template in (*templates, X_like)}) > 1:
            raise ValueError("X has sparse and dense partitions, expected one kind.")
        if not all(are_readable) or any(t.dtype != X_like.dtype for t in templates):
            X = client.map(as_rows, X, dtype=X_like.dtype)
        encodings = gather(client, client.map(find_classes, indices, others[0]))
        labels, class_weights = LabelEncoding.union(encodings), None
        if training:
            training.labels.check_known(labels)
            labels, class_weights = training.labels, training.class_weights
        parts = client.map(encode_partition, indices, n_rows, *others, labels=labels)
        data = cls(client, X, parts, labels, X_like, class_weights=class_weights)
        return data.with_parts(parts).weighted(class_weight)

    def weighted(self, class_weight: Any) -> Partitions:
        """Multiply the weights by class weights, and divide them by their mean."""
        if not self.n_samples:
            raise ValueError("X has no rows with a weight, expected at least one.")
        data, weights = self, self.class_weights
        if class_weight is not None:
            if weights is None:
                weights = self.labels.class_weights(class_weight, self.class_counts)
            data = self.mapped(Dataset.with_class_weights, class_weights=weights)
            if not data.n_samples:
                raise ValueError(
                    "class_weight is 0 for the classes of all samples in y."
                )
        mean = data.total_weight / data.n_samples
        if not np.isfinite(mean):
            raise ValueError("The sum of sample_weight times class_weight overflows.")
        data = data.mapped(divide_weights, mean=mean)
        return replace(data, mean_weight=mean, class_weights=weights)

    def mapped(self, function: Callable[..., Dataset], **kwargs: Any) -> Partitions:
        """Apply a function to codes and weights of each partition."""
        return self.with_parts(self.client.map(function, self.parts, **kwargs))

    def with_parts(self, parts: list[Future]) -> Partitions:
        """Return the samples with other codes and weights, and count them."""
        counts = gather(self.client, self.client.map(count_samples, parts))
        n_samples, total_weight, class_counts, class_sizes = rounded_total(
            [compensated(count) for count in counts]
        )
        return replace(
            self,
            parts=parts,
            sizes=[n for n, *_ in counts],
            n_samples=int(n_samples),
            total_weight=float(total_weight),
            class_counts=class_counts,
            class_sizes=class_sizes,
        )

    @contextmanager
    def with_threads(self) -> Iterator[Partitions]:
        """Yield the same samples, because the threads of the workers are used."""
        with single_blas_thread():
            yield self

    def share_threads(self, other: Partitions | Dataset) -> Partitions | Dataset:
        """Return the data set `other`, because there are no threads to share."""
        return other

    def holdout_split(
        self, fraction: float, rng: np.random.RandomState
    ) -> tuple[Partitions, Partitions]:
        """Return training and held-out samples, stratified by class."""
        sizes = gather(self.client, self.client.map(Dataset.strata_sizes, self.parts))
        ends = np.cumsum(sizes, axis=0)
        drawn = draw_stratified_holdout(ends[-1], fraction, rng)

        def positions_in(starts: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
            """Return the positions of a partition to hold out in each stratum."""
            return [
                positions[slice(*np.searchsorted(positions, (start, end)))] - start
                for positions, start, end in zip(drawn, starts, ends, strict=True)
            ]

        held_out = list(map(positions_in, ends - sizes, ends))
        pairs = self.client.map(Dataset.split, self.parts, held_out)
        training, validation = (
            self.with_parts(self.client.map(itemgetter(k), pairs)) for k in (0, 1)
        )
        return training, validation

    def select_columns(self, used: np.ndarray) -> Partitions:
        """Return the samples with the `used` columns of sparse rows only."""
        return replace(
            self,
            rows=self.client.map(select_columns, self.rows, used=used),
            X_like=select_columns(self.X_like, used),
        )

    # ------------------------------------------------- sums over the samples

    loss_gradient_sums = _summed("loss_gradient_sums")
    loss_sums = _summed("loss_sums")
    column_counts = _summed("column_counts")
    column_sums = _summed("column_sums")
    scatter_sums = _summed("scatter_sums")

    def sum(self, function: Callable[[Dataset], Sums]) -> Sums:
        """Add the sums that a function returns for each partition.

        The result does not depend on the worker of each partition.
        """
        first_rows = np.cumsum([0, *self.sizes]).tolist()
        futures = [
            self.client.submit(
                sum_partitions,
                function,
                [first_rows[i] for i in share],
                [self.rows[i] for i in share],
                [self.parts[i] for i in share],
                pure=False,
                workers=worker,
                allow_other_workers=worker is not None,
            )
            for worker, share in self._shares()
        ]
        # To release the futures of the previous pass, the client sends a message, and
        # delays others for 10 ms.  So the release follows the submission.
        self.pass_futures[:] = futures
        return rounded_total(gather(self.client, futures))

    def _shares(self) -> Iterator[tuple[str | None, list[int]]]:
        """Yield, for each thread of each worker, the worker and a list of partitions.

        A partition that is not computed yet has the worker None and a list for itself:
        one task for several such partitions would move them to one worker.
        """
        holders = sync(self.client, self.client.who_has, self.rows)
        held = defaultdict[str | None, list[int]](list)
        for i, future in enumerate(self.rows):
            workers = holders.get(future.key) or [None]
            held[min(workers, key=lambda worker: len(held.get(worker, ())))].append(i)
        n_threads = sync(self.client, self.client.nthreads)
        for worker, indices in held.items():
            n_shares = min(n_threads.get(worker, len(indices)), len(indices))
            for share in np.array_split(indices, n_shares):
                yield worker, share.tolist()
