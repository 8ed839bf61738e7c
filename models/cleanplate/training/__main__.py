"""`python -m cleanplate.training` is `cleanplate train`, also from a copy that is not installed."""

import typer

from cleanplate.training.commands import train

if __name__ == "__main__":
    typer.run(train)
