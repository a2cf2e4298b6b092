"""Make a trained version of company_emissions champion if it passes its gate.

Examples:
  ./pants run src/models/company_emissions:train -- --no-promote
  ./pants run src/models/company_emissions:gate
  python -m models.company_emissions.gate --version 3

A second call changes nothing. Exits with 1 if neither the version nor the champion is within the
gate's limits.
"""

from models.gate import main
from validation.gate import Gate

# A version becomes champion if it is within these limits on the hold-out and improves the metric.
GATE = Gate(
    metric="rmsle", higher_is_better=False, at_least={"coverage": 0.8}, at_most={"rmsle": 1.5}
)

if __name__ == "__main__":
    main("models.company_emissions.definition", doc=__doc__)
