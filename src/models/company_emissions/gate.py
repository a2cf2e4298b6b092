"""Make a trained version of company_emissions champion, if its gate holds.

Examples:
  ./pants run src/models/company_emissions:train -- --no-promote
  ./pants run src/models/company_emissions:gate
  python -m models.company_emissions.gate --version 3

Called again, it changes nothing. Exits with 1 where neither the version nor the champion is within
the gate's limits.
"""

from models.gate import main
from validation.gate import Gate

# A version must reach these on the hold-out, and beat the champion, to become champion.
GATE = Gate(
    metric="rmsle", higher_is_better=False, at_least={"coverage": 0.8}, at_most={"rmsle": 1.5}
)

if __name__ == "__main__":
    main("models.company_emissions.definition", doc=__doc__)
