"""The estimator for data on a dask cluster.

The minimiser runs in the client's process.  In each pass it sends the weights to the
workers, and receives sums over the partitions of the data.
"""

from sknn3.dask._classifier import DaskThreeLayerNNClassifier

__all__ = ["DaskThreeLayerNNClassifier"]
