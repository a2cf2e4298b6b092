"""Contracts: the columns of each table. This package reads and writes no data.

A contract is a `pa.DataFrameModel` with

- its own `Config`: a unique `name` in snake_case, a `description` of one row, and `metadata` with a
  `version` (major.minor.patch, starting at 1.0.0) and an `owner`. Before you remove a contract, add
  `deprecated` to the metadata, which names the replacement.
- for each column: a `description` (its meaning, and that of a missing value), its range or values,
  the unit as `metadata={"unit": …}` if it has one, and `nullable=True` if values may be missing.

A model whose name starts with an underscore is a base class, not a contract.
`datasets.registry.contracts()` finds all contracts.
"""
