"""Evaluate the champion, or another version, on companies that have reported.

Exits with 1 if the version misses a limit of its gate.

Examples:
  ./pants run src/models/company_emissions:evaluate
  python -m models.company_emissions.evaluate --version 3 --input labelled.csv
"""

from models.evaluate import main

if __name__ == "__main__":
    main("models.company_emissions.definition", doc=__doc__)
