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
from distributed import Client, Future
from scipy.sparse import issparse

from sknn3._dataset import Dataset, select_columns
from sknn3._labels import LabelEncoding, class_weight_error, draw_stratified_holdout
from sknn3._parallel import single_blas_thread
from sknn3.dask._client import gather, sync
from sknn3.dask._collections import persist_partitions
from sknn3.dask._sums import Sums, compensated, rounded_total
from sknn3.dask._tasks import (
    as_rows,
    check_rows,
    count_samples,
    divide_weights,
    encode_labels,
    labels_of,
    sum_partitions,
    with_labels,
)


@dataclass(frozen=True, eq=False)
class Partitions:
    """The samples of a fit on a cluster, with the interface of `Dataset`.

    Three lists have an entry for each partition with samples: `rows` has the future of
    the rows, `parts` the future of codes and weights, `sizes` the number of samples.
    """

    client: Client
    rows: list[Future]
    parts: list[Future]
    labels: LabelEncoding
    X_like: Any
    sizes: list[int] = field(default_factory=list)
    n_samples: int = 0
    class_counts: np.ndarray = field(default_factory=lambda: np.empty(0))
    class_sizes: np.ndarray = field(default_factory=lambda: np.empty(0))
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
        name: str,
        training: Partitions | None = None,
    ) -> Partitions:
        """Check X, y and, if given, sample_weight; errors name the estimator.

        If `training` is given, it determines the classes, class weights and dtype.
        """
        X, *others = persist_partitions(client, arrays)
        n_features = arrays[0].shape[1]
        indices = range(len(X))
        summaries = gather(
            client,
            client.map(
                check_rows, indices, X, n_features=n_features, estimator_name=name
            ),
        )
        X_like = _common_template([summary.template for summary in summaries], training)
        if not all(
            s.is_readable and s.template.dtype == X_like.dtype for s in summaries
        ):
            X = client.map(as_rows, X, dtype=X_like.dtype)
        n_rows = [summary.n_rows for summary in summaries]
        parts = client.map(encode_labels, indices, n_rows, *others)
        encodings = gather(client, client.map(labels_of, parts))
        not_empty = [i for i in indices if encodings[i]]
        if not not_empty:
            raise ValueError("X has no rows, expected at least one.")
        labels = LabelEncoding.union([encodings[i] for i in not_empty])
        if training:
            training.labels.check_known(labels)
            labels = training.labels
        parts = client.map(with_labels, [parts[i] for i in not_empty], labels=labels)
        data = cls(client, [X[i] for i in not_empty], parts, labels, X_like).counted()
        if not data.n_samples:
            raise ValueError("X has no rows with a weight, expected at least one.")
        class_weights = training.class_weights if training else None
        return data.class_weighted(class_weight, class_weights).normalised()

    def class_weighted(
        self, class_weight: Any, class_weights: np.ndarray | None
    ) -> Partitions:
        """Multiply the weights by `class_weights` or, if None, by `class_weight`."""
        if class_weight is None:
            return self
        if class_weights is None:
            class_weights = self.labels.class_weights(class_weight, self.class_counts)
        parts = self.client.map(
            Dataset.with_class_weights, self.parts, class_weights=class_weights
        )
        data = replace(self, parts=parts, class_weights=class_weights).counted()
        if not data.n_samples:
            raise class_weight_error(class_weight)
        return data

    def counted(self) -> Partitions:
        """Count the samples, and drop partitions without samples."""
        counts = gather(self.client, self.client.map(count_samples, self.parts))
        not_empty = [i for i, (n_samples, *_) in enumerate(counts) if n_samples]
        total = rounded_total([compensated(count) for count in counts])
        return replace(
            self,
            rows=[self.rows[i] for i in not_empty],
            parts=[self.parts[i] for i in not_empty],
            sizes=[counts[i][0] for i in not_empty],
            n_samples=int(total[0]),
            total_weight=float(total[1]),
            class_counts=total[2],
            class_sizes=total[3],
        )

    def normalised(self) -> Partitions:
        """Divide the weights by their mean."""
        mean = self.total_weight / self.n_samples
        if not np.isfinite(mean):
            raise ValueError("The sum of sample_weight times class_weight overflows.")
        parts = self.client.map(divide_weights, self.parts, mean=mean)
        return replace(self, parts=parts, mean_weight=mean).counted()

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
        counts = np.array(
            gather(self.client, self.client.map(Dataset.strata_sizes, self.parts))
        )
        ends = counts.cumsum(axis=0)
        held_out: list[list[np.ndarray]] = [[] for _ in self.parts]
        drawn = draw_stratified_holdout(ends[-1], fraction, rng)
        for stratum, positions in enumerate(drawn):
            cuts = np.searchsorted(positions, ends[:-1, stratum])
            starts = ends[:, stratum] - counts[:, stratum]
            for i, in_partition in enumerate(np.split(positions, cuts)):
                held_out[i].append(in_partition - starts[i])
        pairs = [
            self.client.submit(Dataset.split, part, positions)
            for part, positions in zip(self.parts, held_out, strict=True)
        ]
        training, validation = (
            replace(self, parts=self.client.map(itemgetter(k), pairs)) for k in (0, 1)
        )
        return training.counted(), validation.counted()

    def select_columns(self, used: np.ndarray) -> Partitions:
        """Return the samples with the `used` columns of sparse rows only."""
        return replace(
            self,
            rows=self.client.map(select_columns, self.rows, used=used),
            X_like=select_columns(self.X_like, used),
        )

    # ------------------------------------------------- sums over the samples

    def loss_gradient_sums(self, *args: Any) -> Sums:
        """Return the sums of `Dataset.loss_gradient_sums`."""
        return self.sum(methodcaller("loss_gradient_sums", *args))

    def loss_sums(self, *args: Any) -> Sums:
        """Return the sums of `Dataset.loss_sums`."""
        return self.sum(methodcaller("loss_sums", *args))

    def column_counts(self) -> Sums:
        """Return the sums of `Dataset.column_counts`."""
        return self.sum(methodcaller("column_counts"))

    def column_sums(self, step: int) -> Sums:
        """Return the sums of `Dataset.column_sums`."""
        return self.sum(methodcaller("column_sums", step))

    def scatter_sums(self, step: int, mean: np.ndarray, *, full: bool) -> Sums:
        """Return the sums of `Dataset.scatter_sums`."""
        return self.sum(methodcaller("scatter_sums", step, mean, full=full))

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


def _common_template(templates: list[Any], training: Partitions | None) -> Any:
    """Return an empty array or matrix in the common dtype of all partitions.

    If `training` is given, its dtype is used.
    """
    dtype = np.result_type(*(t.dtype for t in templates))
    if training:
        templates, dtype = [*templates, training.X_like], training.X_like.dtype
    if len({issparse(template) for template in templates}) > 1:
        raise ValueError(
            "X has sparse and dense partitions, expected partitions of one kind."
        )
    return templates[0].astype(dtype)
