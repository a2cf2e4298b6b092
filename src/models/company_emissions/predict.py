"""Estimate companies' emission intensity, with 90 % intervals.

The default input is every company of the feature view, as known now. An input needs country,
industry, revenue and employees, any of which may be missing; other columns are kept.

Examples:
  ./pants run src/models/company_emissions:predict
  python -m models.company_emissions.predict --input companies.csv --output intensities.parquet
"""

from models.predict import main

if __name__ == "__main__":
    main("models.company_emissions.definition", doc=__doc__)
