"""What each table looks like, column by column. Reads nothing and writes nothing.

A contract is a `pa.DataFrameModel` with

- in its own `Config`: a `name` (snake_case, unlike any other), a `description` of what one row is,
  and `metadata` with a `version` (major.minor.patch, from 1.0.0 on) and an `owner` (who answers for
  it); before a contract goes, `deprecated` there says what to read instead.
- for each column: a `description` (what it means, and what a missing value means), the unit as
  `metadata={"unit": …}` where it has one, its range or values, and `nullable=True` where values may
  be missing.

A model whose name starts with an underscore is no contract, but what several have in common.
`datasets.registry.contracts()` finds all others by name.
"""
