"""Train the model, and make it champion if it passes its gate.

Logs pictures, the importance of each column and a model card with the version.

Examples:
  ./pants run src/models/company_emissions:train
  python -m models.company_emissions.train --parameters tuned/company_emissions.json
"""

from models.train import main

if __name__ == "__main__":
    main("models.company_emissions.definition", doc=__doc__)
