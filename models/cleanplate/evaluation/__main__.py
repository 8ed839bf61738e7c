"""`python -m cleanplate.evaluation` is `cleanplate evaluate`, also from a copy that is not installed."""

import typer

from cleanplate.evaluation.commands import evaluate

if __name__ == "__main__":
    typer.run(evaluate)
