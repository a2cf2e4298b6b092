"""Make a trained version of company_emissions champion, if its gate holds.

Examples:
  ./pants run src/models/company_emissions:train -- --no-promote
  ./pants run src/models/company_emissions:gate
  python -m models.company_emissions.gate --version 3

Called again, it changes nothing. Exits with 1 where neither the version nor the champion is within
the gate's limits.
"""

from models.gate import main

if __name__ == "__main__":
    main("models.company_emissions.definition", doc=__doc__)
