"""Make a trained version of company_emissions champion if it passes its gate.

Examples:
  ./pants run src/models/company_emissions:train -- --no-promote
  ./pants run src/models/company_emissions:gate
  python -m models.company_emissions.gate --version 3

A second call changes nothing. Exits with 1 if neither the version nor the champion is within the
gate's limits.
"""

from models.gate import main

if __name__ == "__main__":
    main("models.company_emissions.definition", doc=__doc__)
