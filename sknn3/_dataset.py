"""Samples of a fit, and sums over blocks of their rows, without copies of X."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import ceil
from operator import iadd
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, issparse
from sklearn.utils import check_array

from sknn3._array_api import astype, float_dtypes, namespace_of, to_device, to_numpy
from sknn3._features import conversion_error
from sknn3._kernel import (
    Network,
    block_cost_gradient,
    block_loss,
    block_outputs,
    narrow_theta1,
    weights_like,
)
from sknn3._labels import LabelEncoding, draw_stratified_holdout
from sknn3._parallel import MapChunks, blas_tokens, chunk_map

# ------------------------------------------------------------- rows and blocks

# Up to this many rows form one block: a second thread would save no time.
SINGLE_BLOCK_ROWS = 1280

# More rows are cut into rounds of at most ROUND_ROWS rows.  A round has three blocks,
# of RELATIVE_SIZES times a third of the round.  The activations of a block stay in the
# cache.  With equal blocks, two threads would reach the short operations between the
# products at the same time, and wait for Python's lock.
ROUND_ROWS = 5120
RELATIVE_SIZES = (0.8, 2.2, 1.4)

# Devices other than the CPU need no threads.  There, blocks only limit the memory.
DEVICE_BLOCK_ROWS = 65536

# Largest number of chunks, which are lists of blocks.  It does not depend on the
# threads, so the sums are equal to the bit on any number of threads.
MAX_CHUNKS = 16

# Entries of a row above which blocks of derivatives by the features have fewer rows.
ENTRIES_PER_ROW = 256

# Largest number of entries of a block to centre.  Centring makes a float64 copy.
CENTRED_ENTRIES = 2**20


def row_blocks(n_samples: int, *, on_cpu: bool = True) -> list[slice]:
    """Cut rows into blocks that depend on the number of rows only."""
    if not on_cpu:
        edges = range(0, n_samples, DEVICE_BLOCK_ROWS)
        return [slice(a, min(a + DEVICE_BLOCK_ROWS, n_samples)) for a in edges]
    if n_samples <= SINGLE_BLOCK_ROWS:
        return [slice(0, n_samples)]
    sizes = np.tile(RELATIVE_SIZES, ceil(n_samples / ROUND_ROWS))
    cuts = np.rint(np.cumsum([0, *sizes]) * (n_samples / sizes.sum())).astype(int)
    return [slice(a, b) for a, b in pairwise(cuts.tolist())]


@dataclass(frozen=True, eq=False)
class RowSelection:
    """Some rows of a memory map; `load_rows` reads them."""

    X: Any
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Number of selected rows and of columns."""
        return len(self.rows), self.X.shape[1]

    @property
    def dtype(self) -> Any:
        """Dtype of the matrix."""
        return self.X.dtype

    def __getitem__(self, rows: Any) -> RowSelection:
        return RowSelection(self.X, self.rows[rows])


def select_rows(X: Any, rows: np.ndarray) -> Any:
    """Return rows by index: a copy, or a `RowSelection` of a memory map."""
    if isinstance(X, RowSelection):
        return X[rows]
    if _is_memory_map(X):
        return RowSelection(X, rows)
    xp, device = namespace_of(X)
    return X[rows] if xp is np else xp.take(X, xp.asarray(rows, device=device), axis=0)


def _is_memory_map(X: Any) -> bool:
    """Return whether an array is a view of a memory map."""
    while X is not None and not isinstance(X, np.memmap):
        X = getattr(X, "base", None)
    return X is not None


def slice_rows(X: Any, rows: slice) -> Any:
    """Return a block of rows, without reading or copying them."""
    if not issparse(X):
        return X[rows] if isinstance(X, RowSelection) else X[rows, ...]
    indptr = X.indptr[rows.start : rows.stop + 1]
    entries = slice(indptr[0], indptr[-1])
    block = csr_array((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    # The constructor would copy parts of larger arrays.
    block.data, block.indices = X.data[entries], X.indices[entries]
    block.indptr = indptr - indptr[0]
    return block


def load_rows(block: Any) -> Any:
    """Return the rows of a block; read a `RowSelection` from the file."""
    return block.X[block.rows] if isinstance(block, RowSelection) else block


def used_columns(X: Any) -> np.ndarray:
    """Return a mask of the columns of sparse rows that have an entry."""
    used = np.zeros(X.shape[1], bool)
    used[X.indices[: X.indptr[-1]]] = True
    return used


def select_columns(X: Any, used: np.ndarray) -> Any:
    """Return the `used` columns of sparse rows.

    If the other columns are empty, only the column indices are copied.
    """
    if not used[X.indices[: X.indptr[-1]]].all():
        return csr_array(X[:, used])
    new_index = np.zeros(len(used), X.indices.dtype)
    new_index[used] = np.arange(np.count_nonzero(used))
    n_entries = X.indptr[-1]
    narrow = csr_array((X.shape[0], np.count_nonzero(used)), dtype=X.dtype)
    narrow.data, narrow.indices = X.data[:n_entries], new_index[X.indices[:n_entries]]
    narrow.indptr = X.indptr
    return narrow


def as_weights(sample_weight: Any, **checks: Any) -> np.ndarray:
    """Return weights as a float64 array; the errors name `sample_weight`."""
    sample_weight = to_numpy(sample_weight)
    if error := conversion_error(sample_weight):
        raise ValueError(
            f"sample_weight has values that are not numbers ({error}), expected a "
            "number for each sample."
        )
    return check_array(
        sample_weight,
        ensure_2d=False,
        ensure_min_samples=0,  # the check of the shape reports scalars
        dtype=np.float64,
        input_name="sample_weight",
        **checks,
    )


def check_sample_weight(sample_weight: Any, n_samples: int) -> np.ndarray:
    """Return float64 weights; raise if one is negative or all are zero."""
    weight = as_weights(sample_weight)
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {weight.shape}, expected ({n_samples},)."
        )
    if weight.min() < 0:
        raise ValueError(
            f"sample_weight has negative values, the lowest is {weight.min():g}."
        )
    if not weight.any():
        raise ValueError("sample_weight is zero for all samples.")
    return weight


# ------------------------------------------------------------------ the samples


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples with a positive weight: rows, codes of their labels, and weights.

    `sample_weight` is divided by `mean_weight`, the mean over all samples before the
    holdout.  None is a weight of 1 for each sample.  `class_weights` are factors that
    `sample_weight` includes, if any.  Codes and weights are always NumPy arrays.  If X
    is a partition, `first_row` is the number of rows in earlier partitions.
    """

    X: Any
    labels: LabelEncoding
    codes: np.ndarray
    sample_weight: np.ndarray | None = None
    mean_weight: float = 1.0
    class_weights: np.ndarray | None = None
    first_row: int = 0
    map_chunks: MapChunks = map

    @classmethod
    def from_arrays(
        cls, X: Any, y: Any, sample_weight: np.ndarray | None, class_weight: Any
    ) -> Dataset:
        """Return validated samples, without samples of weight 0.

        The classes include classes that only samples of weight 0 have.
        """
        labels = LabelEncoding.from_labels(y)
        dataset = cls(X, labels, labels.encode(y), sample_weight).with_weight()
        if class_weight is not None:
            weights = labels.class_weights(class_weight, dataset.class_counts)
            dataset = dataset.with_class_weights(weights)
        return dataset.normalised()

    @classmethod
    def for_validation(
        cls, training: Any, X: Any, y: Any, sample_weight: np.ndarray | None
    ) -> Dataset:
        """Return validation samples, with the classes and class weights of training."""
        labels = training.labels
        labels.check_known(LabelEncoding.from_labels(y))
        if issparse(training.X_like) and not issparse(X):
            X = csr_array(X)
        dataset = cls(X, labels, labels.encode(y), sample_weight).with_weight()
        if training.class_weights is not None:
            dataset = dataset.with_class_weights(training.class_weights)
        return dataset.normalised()

    def with_class_weights(self, class_weights: np.ndarray) -> Dataset:
        """Multiply the weights by class weights, and drop samples of weight 0."""
        codes = self.codes if self.labels.multilabel else self.codes[:, np.newaxis]
        given = self.sample_weight
        weight = np.ones(len(codes)) if given is None else given.copy()
        for weight_of_class, column in zip(class_weights, codes.T, strict=True):
            weight *= weight_of_class[column]
        weighted = replace(self, sample_weight=weight, class_weights=class_weights)
        return weighted.with_weight()

    def with_weight(self) -> Dataset:
        """Drop samples of weight 0; make no copy if there are none."""
        weight = self.sample_weight
        if weight is None or weight.all():
            return self
        return self[np.flatnonzero(weight)]

    def normalised(self) -> Dataset:
        """Return the samples with weights divided by their mean."""
        if self.sample_weight is None:
            return self
        if not self.n_samples:
            raise ValueError("class_weight is 0 for the classes of all samples in y.")
        mean = float(self.sample_weight.mean())
        if not np.isfinite(mean):
            raise ValueError("The sum of sample_weight times class_weight overflows.")
        return replace(self, sample_weight=self.sample_weight / mean, mean_weight=mean)

    def __getitem__(self, rows: np.ndarray) -> Dataset:
        weight = self.sample_weight
        return replace(
            self,
            X=select_rows(self.X, rows),
            codes=self.codes[rows],
            sample_weight=None if weight is None else weight[rows],
        )

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.codes)

    @property
    def X_like(self) -> Any:  # noqa: N802 (X as in the formulas)
        """An array in the namespace, device and dtype of X."""
        return self.X.X if isinstance(self.X, RowSelection) else self.X

    @property
    def class_counts(self) -> np.ndarray:
        """Weights of the classes, see `LabelEncoding.class_counts`."""
        return self.labels.class_counts(self.codes, self.sample_weight)

    @property
    def class_sizes(self) -> np.ndarray:
        """Numbers of samples of the classes, in the shape of `class_counts`."""
        return self.labels.class_counts(self.codes, None)

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        weight = self.sample_weight
        return float(self.n_samples if weight is None else weight.sum())

    def holdout_split(
        self, fraction: float, rng: np.random.RandomState
    ) -> tuple[Dataset, Dataset]:
        """Return training and held-out samples, stratified by class."""
        held_out = draw_stratified_holdout(self.strata_sizes(), fraction, rng)
        return self.split(held_out)

    def strata_sizes(self) -> np.ndarray:
        """Return the number of samples in each stratum."""
        strata, n_strata = self.labels.strata(self.codes)
        return np.bincount(strata, minlength=n_strata)

    def split(self, held_out: list[np.ndarray]) -> tuple[Dataset, Dataset]:
        """Return training and held-out samples, given positions within each stratum."""
        strata, _ = self.labels.strata(self.codes)
        is_held_out = np.zeros(self.n_samples, bool)
        for stratum, positions in enumerate(held_out):
            is_held_out[np.flatnonzero(strata == stratum)[positions]] = True
        return self[np.flatnonzero(~is_held_out)], self[np.flatnonzero(is_held_out)]

    def select_columns(self, used: np.ndarray) -> Dataset:
        """Return the samples with the `used` columns of a sparse X only."""
        return replace(self, X=select_columns(self.X, used))

    @contextmanager
    def with_threads(self) -> Iterator[Dataset]:
        """Yield the data set with a pool of threads for its chunks."""
        with chunk_map(len(self._chunks_of_rows())) as map_chunks:
            yield replace(self, map_chunks=map_chunks)

    def share_threads(self, other: Dataset) -> Dataset:
        """Return the data set `other` with the threads of this one."""
        return replace(other, map_chunks=self.map_chunks)

    def _chunks_of_rows(self) -> list[list[slice]]:
        """Return one list of blocks for each chunk."""
        if namespace_of(self.X_like)[0] is not np:
            return [row_blocks(self.n_samples, on_cpu=False)]
        blocks = row_blocks(self.n_samples)
        n_chunks = min(MAX_CHUNKS, len(blocks))
        edges = np.linspace(0, len(blocks), n_chunks + 1).astype(int)
        return [blocks[a:b] for a, b in pairwise(edges.tolist())]

    @cached_property
    def chunks(self) -> list[list[tuple[Any, Any, Any]]]:
        """Rows, targets and weights of each block, in one list for each chunk."""
        xp, device = namespace_of(self.X_like)
        Y, weight = self.labels.targets(self.codes), self.sample_weight
        if xp is not np:
            Y = to_device(Y.astype(np.int64), xp, device)
        if weight is not None:
            weight = to_device(weight, xp, device, self.X.dtype)

        def block(rows: slice) -> tuple[Any, Any, Any]:
            w = None if weight is None else weight[rows]
            return slice_rows(self.X, rows), Y[rows, ...], w

        return [[block(rows) for rows in chunk] for chunk in self._chunks_of_rows()]

    # Sums over the samples, as tuples.  `sknn3.dask` adds the sums of partitions.

    def loss_gradient_sums(
        self, params: np.ndarray, network: Network
    ) -> tuple[float, np.ndarray]:
        """Return the sums of loss and gradient, always in float64."""
        loss, gradient = self._sum_blocks(block_cost_gradient, params, network)
        return loss, gradient

    def loss_sums(self, params: np.ndarray, network: Network) -> tuple[float, float]:
        """Return the sums of the loss and of the weights."""
        (loss,) = self._sum_blocks(block_loss, params, network)
        return loss, self.total_weight

    def _sum_blocks(
        self, function: Callable[..., Any], params: np.ndarray, network: Network
    ) -> tuple[Any, ...]:
        """Add the results of a function of the kernel for each block.

        Blocks are added in order within a chunk, and then chunks in order.  The sums
        therefore do not depend on the number of threads.
        """
        xp, _ = namespace_of(self.X_like)
        theta1, theta2 = weights_like(self.X_like, params, network.hidden_layer_size)

        def block_sums(X: Any, Y: Any, weight: Any) -> Any:
            try:  # a Ctrl-C during the wait adds a token, and never removes one
                blas_tokens.get()
                return function(load_rows(X), Y, weight, theta1, theta2, network, xp)
            finally:
                blas_tokens.put(None)

        def chunk_sums(chunk: list[tuple[Any, ...]]) -> tuple[Any, ...]:
            return _add(block_sums(*block) for block in chunk)

        return _add(iter(self.map_chunks(chunk_sums, self.chunks)))

    def column_counts(self) -> tuple[np.ndarray]:
        """Return 1 for each column of sparse rows with an entry, and 0 for others.

        The sum over partitions is the number of partitions with an entry.
        """
        return (used_columns(load_rows(self.X)).astype(float),)

    def column_sums(self, step: int) -> tuple[float, np.ndarray]:
        """Return the sum of weights and the column sums over every `step`-th row."""
        total_weight, sums = 0.0, np.zeros(self.X.shape[1])
        for B, w in self._strided_blocks(step):
            total_weight += float(namespace_of(w)[0].sum(w))
            sums += to_numpy(w @ B)
        return total_weight, sums

    def scatter_sums(
        self, step: int, mean: np.ndarray, *, full: bool
    ) -> tuple[np.ndarray]:
        """Return the sums of outer products (`full`) or of squares of deviations.

        Sparse rows are not centred.
        """
        xp, device = namespace_of(self.X_like)
        scatter = np.zeros((len(mean), len(mean)) if full else len(mean))
        centre = to_device(mean, xp, device, float_dtypes(xp, device)[0])
        for B, w in self._strided_blocks(step):
            deviations = B if issparse(B) else B - centre
            scatter += to_numpy(_scatter(deviations, w, xp, full=full))
        return (scatter,)

    def _strided_blocks(self, step: int) -> Iterator[tuple[Any, Any]]:
        """Yield blocks of every `step`-th row and their weights, in the widest dtype.

        Rows are counted from the first partition on.
        """
        xp, device = namespace_of(self.X_like)
        widest = float_dtypes(xp, device)[0]
        X, weight = self.X, self.sample_weight
        if step > 1:
            first = (-self.first_row) % step
            rows = slice(first, None, step)
            X = X[rows, :] if issparse(X) else slice_rows(X, rows)
            weight = None if weight is None else weight[rows]
        for rows in _centring_blocks(X, on_cpu=xp is np):
            B = load_rows(slice_rows(X, rows))
            w = np.ones(B.shape[0]) if weight is None else weight[rows]
            yield astype(B, widest, xp), to_device(w, xp, device, widest)


def without_empty_columns(dataset: Any) -> tuple[Any, np.ndarray | None]:
    """Drop empty columns of a sparse X; return the data set and a mask of used columns.

    The mask is None if no column is empty.
    """
    if not issparse(dataset.X_like):
        return dataset, None
    (counts,) = dataset.column_counts()
    used = counts > 0
    used[0] |= not used.any()  # a network needs an input
    return (dataset, None) if used.all() else (dataset.select_columns(used), used)


def _add(sums: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Add tuples of numbers and arrays; overwrite the arrays of the first tuple."""
    total = next(sums)
    for terms in sums:
        total = tuple(map(iadd, total, terms))
    return total


def _centring_blocks(X: Any, *, on_cpu: bool) -> Iterator[slice]:
    """Cut rows into blocks that are small enough to centre."""
    step = max(1, CENTRED_ENTRIES // X.shape[1])
    for rows in row_blocks(X.shape[0], on_cpu=on_cpu):
        if issparse(X) or not on_cpu:
            yield rows
            continue
        for start in range(rows.start, rows.stop, step):
            yield slice(start, min(start + step, rows.stop))


def _scatter(B: Any, w: Any, xp: Any, *, full: bool) -> Any:
    """Return the weighted sum of outer products or squares; overwrite dense rows."""
    if issparse(B):
        return (B.T @ diags_array(w) @ B).toarray() if full else w @ B.multiply(B)
    if not full:
        B *= B
        return w @ B
    B *= xp.sqrt(w)[:, None]
    return B.T @ B


def output_blocks(
    X: Any,
    theta1: Any,
    theta2: Any,
    activation: str,
    *,
    compute: Callable[..., Any] | None = None,
    entries_per_row: int = 1,
) -> Iterator[Any]:
    """Yield the outputs before activation, (K, rows), for one block of rows at a time.

    `compute` is a function of the kernel to call instead of `block_outputs`.  Blocks
    have fewer rows if its arrays have many entries for each row.

    X may have values that are not finite.  The kernel checks the inputs of the hidden
    units instead, which takes less time.
    """
    xp, _ = namespace_of(theta1)
    # Outside a fit BLAS has several threads, which need many rows.
    n_rows = ROUND_ROWS if xp is np else DEVICE_BLOCK_ROWS
    n_rows = max(1, n_rows // ceil(entries_per_row / ENTRIES_PER_ROW))
    for start in range(0, X.shape[0], n_rows):
        rows = slice(start, min(start + n_rows, X.shape[0]))
        block, W = load_rows(slice_rows(X, rows)), theta1
        if issparse(block) and block.nnz < block.shape[1]:
            # The product would copy all weights, which takes longer.
            used = used_columns(block)
            block, W = select_columns(block, used), narrow_theta1(theta1, used)
        try:
            blas_tokens.get()
            result = (compute or block_outputs)(block, W, theta2, activation, xp)
        finally:
            blas_tokens.put(None)
        yield result


def concat_rows(blocks: Iterable[Any], n_samples: int) -> Any:
    """Join blocks of rows in one array, which is allocated once."""
    result, start = None, 0
    for block in blocks:
        if block.shape[0] == n_samples:
            return block
        if result is None:
            xp, device = namespace_of(block)
            shape = (n_samples, *block.shape[1:])
            result = xp.empty(shape, dtype=block.dtype, device=device)
        result[start : start + block.shape[0], ...] = block
        start += block.shape[0]
    return result
