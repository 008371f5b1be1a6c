"""The estimator for data on a dask cluster.

The minimiser runs in the client's process.  In each pass it sends the weights to the
workers, and receives sums over the partitions of the data.
"""

try:
    from sknn3.dask._classifier import DaskThreeLayerNNClassifier
except ModuleNotFoundError as error:
    raise ImportError(
        "sknn3.dask requires dask and distributed: python -m pip install 'sknn3[dask]'"
    ) from error

__all__ = ["DaskThreeLayerNNClassifier"]
