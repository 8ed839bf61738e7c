"""`python -m cleanplate.export` is `cleanplate export`, also from a copy that is not installed."""

import typer

from cleanplate.export.commands import export

if __name__ == "__main__":
    typer.run(export)
