"""Check that compiled code can read the arrays of a loaded pipeline safely.

Compiled code of scikit-learn uses the numbers of some arrays as indices, without bounds checks. A
crafted file could crash the process, or read other memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import ClusterMixin
from sklearn.ensemble import (
    BaseEnsemble,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.ensemble._hist_gradient_boosting.common import (
    PREDICTOR_RECORD_DTYPE,
    X_BITSET_INNER_DTYPE,
)
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.neighbors import BallTree, KDTree
from sklearn.svm._base import BaseLibSVM
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree

from modelling.stored_models.file_checks import RefusedModelError

_LEAF = -1
_CATEGORIES = 256
_GRADIENT = (GradientBoostingClassifier, GradientBoostingRegressor)
_HISTOGRAM = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


def check_arrays(found: Iterable[Any]) -> None:
    """Check each object of a loaded pipeline.

    Raises:
        RefusedModelError: compiled code would read outside of an array.
    """
    for one in found:
        for kinds, check in _CHECKS:
            if isinstance(one, kinds):
                try:
                    check(one)
                except RefusedModelError:
                    raise
                except Exception as error:  # a missing attribute may raise anything
                    raise RefusedModelError(
                        f"a {type(one).__name__} in it is incomplete: {error}"
                    ) from error


def _require(holds: Any, owner: object, what: str) -> None:
    if not holds:
        raise RefusedModelError(f"a {type(owner).__name__} in it is damaged: {what}")


def _check_tree(tree: Any) -> None:
    # Arrays such as `children_left` have `node_count` nodes, even if there are fewer.
    fits = 0 < tree.node_count == tree.capacity
    _require(fits, tree, "its number of nodes is wrong")
    nodes = tree.__reduce__()[2]["nodes"]
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    inner = left != _LEAF
    _require((right[~inner] == _LEAF).all(), tree, "a leaf has a child")
    _check_children(tree, inner, left, right)
    _check_features(tree, feature[inner], tree.n_features)


def _check_predictor(tree: Any) -> None:
    nodes, raw = tree.nodes, tree.raw_left_cat_bitsets
    _require(
        isinstance(nodes, np.ndarray)
        and nodes.dtype == PREDICTOR_RECORD_DTYPE
        and nodes.ndim == 1
        and len(nodes)
        and nodes.flags.c_contiguous,
        tree,
        "its nodes have another type",
    )
    for bitsets in (raw, tree.binned_left_cat_bitsets):
        _check_bitsets(tree, bitsets)
    inner = nodes["is_leaf"] == 0
    _check_children(tree, inner, nodes["left"].astype(int), nodes["right"].astype(int))
    categorical = inner & (nodes["is_categorical"] != 0)
    indices = nodes["bitset_idx"][categorical]
    _require((indices < len(raw)).all(), tree, "the categories of a split do not exist")


def _check_bitsets(tree: Any, bitsets: Any) -> None:
    _require(
        isinstance(bitsets, np.ndarray)
        and bitsets.dtype == X_BITSET_INNER_DTYPE
        and bitsets.shape[1:] == (8,),
        tree,
        "its categories are not bitsets",
    )


def _check_children(
    tree: Any,
    inner: npt.NDArray[np.bool_],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> None:
    """A child's number is higher than its parent's, so there is no cycle."""
    parents = np.flatnonzero(inner)
    for children in (left[inner], right[inner]):
        fits = (children > parents) & (children < len(inner))
        _require(fits.all(), tree, "a child is not one of the nodes after its parent")


def _check_features(tree: Any, features: npt.NDArray[Any], count: int) -> None:
    fits = (features >= 0) & (features < count)
    _require(fits.all(), tree, f"a split is on a feature that is not one of {count}")


def _check_tree_estimator(estimator: Any) -> None:
    if hasattr(estimator, "tree_"):
        _require(isinstance(estimator.tree_, Tree), estimator, "its tree is not a Tree")
        fits = estimator.tree_.n_features == estimator.n_features_in_
        _require(fits, estimator, "its tree has another number of features")


def _check_ensemble(ensemble: Any) -> None:
    """Check the features of each tree, because an ensemble's trees do not validate their rows."""
    if not hasattr(ensemble, "estimators_"):
        return
    estimators = list(np.asarray(ensemble.estimators_, dtype=object).flat)
    subsets = getattr(ensemble, "estimators_features_", None)
    for number, estimator in enumerate(estimators):
        if isinstance(estimator, BaseDecisionTree):
            count = len(subsets[number]) if subsets is not None else ensemble.n_features_in_
            fits = estimator.n_features_in_ == count
            _require(fits, ensemble, "one of its trees has another number of features")
    if isinstance(ensemble, _GRADIENT):
        stages = ensemble.estimators_
        fits = (
            isinstance(stages, np.ndarray)
            and stages.ndim == 2
            and stages.shape[1] == ensemble.n_trees_per_iteration_
            and all(isinstance(estimator, BaseDecisionTree) for estimator in estimators)
        )
        _require(fits, ensemble, "it has another number of trees per stage")


def _check_histogram(ensemble: Any) -> None:
    if not hasattr(ensemble, "_predictors"):
        return
    count = ensemble.n_features_in_
    mapper = ensemble._bin_mapper
    _require(isinstance(mapper, _BinMapper), ensemble, "its bins have another type")
    is_categorical = np.asarray(mapper.is_categorical_)
    fits = (
        is_categorical.shape == (count,)
        and is_categorical.dtype.kind in "bu"
        and len(mapper.bin_thresholds_) == count
    )
    _require(fits, ensemble, "its bins do not match its features")
    for feature in np.flatnonzero(is_categorical):
        categories = np.asarray(mapper.bin_thresholds_[feature])
        fits = ((categories >= 0) & (categories < _CATEGORIES)).all()
        _require(fits, ensemble, f"a category is not one of {_CATEGORIES}")
    # Its encoder determines how many columns the trees get.
    what = "it encodes categories itself; use a step of the pipeline instead"
    _require(ensemble._preprocessor is None, ensemble, what)
    for stage in ensemble._predictors:
        fits = len(stage) == ensemble.n_trees_per_iteration_
        _require(fits, ensemble, "it has another number of trees per stage")
        for tree in stage:
            _require(isinstance(tree, TreePredictor), ensemble, "a tree is not a TreePredictor")
            nodes = tree.nodes[tree.nodes["is_leaf"] == 0]
            _check_features(tree, nodes["feature_idx"].astype(int), count)


def _check_vectors(machine: Any) -> None:
    if not hasattr(machine, "support_vectors_"):
        return
    counts = np.asarray(machine._n_support)
    total, pairs = int(counts.sum()), len(counts) * (len(counts) - 1) // 2
    is_classifier = machine._impl in ("c_svc", "nu_svc")
    _require(not machine._sparse, machine, "only dense rows are supported")
    vectors, dual = machine.support_vectors_, machine._dual_coef_
    fits = (
        (counts >= 0).all()
        and machine.support_.shape == (total,)
        and vectors.shape == (total, machine.n_features_in_)
        and dual.shape == (len(counts) - 1 if is_classifier else 1, total)
        and machine._intercept_.shape == (pairs if is_classifier else 1,)
        and (not is_classifier or len(counts) == len(machine.classes_) > 1)
    )
    _require(fits, machine, "the sizes of its vectors do not match")
    for probabilities in (machine._probA, machine._probB):
        allowed = (0, pairs) if is_classifier else (0, 1, 2)
        _require(len(probabilities) in allowed, machine, "the number of its probabilities is wrong")


def _check_centers(clusters: Any) -> None:
    if not hasattr(clusters, "cluster_centers_"):
        return
    centers = np.asarray(clusters.cluster_centers_)
    fits = centers.ndim == 2 and centers.shape[1] == clusters.n_features_in_
    _require(fits, clusters, "its centers have another number of features")


def _check_sparse(matrix: Any) -> None:
    matrix.check_format(full_check=True)


def _refuse(found: Any) -> None:
    raise RefusedModelError(
        f"it contains a {type(found).__name__}, whose compiled code does not check its arrays. "
        'For nearest neighbours, use algorithm="brute"'
    )


_CHECKS: tuple[tuple[Any, Any], ...] = (
    (Tree, _check_tree),
    (TreePredictor, _check_predictor),
    (BaseDecisionTree, _check_tree_estimator),
    (BaseEnsemble, _check_ensemble),
    (_HISTOGRAM, _check_histogram),
    (BaseLibSVM, _check_vectors),
    (ClusterMixin, _check_centers),
    ((sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array), _check_sparse),
    ((BallTree, KDTree), _refuse),
)
