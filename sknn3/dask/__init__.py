"""The network on a cluster: dask's data, dask.distributed's workers.

The parameters go out, and sums over partitions come back; the minimiser is here.
"""

from sknn3.dask._classifier import DaskThreeLayerNNClassifier

__all__ = ["DaskThreeLayerNNClassifier"]
