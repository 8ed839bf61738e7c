"""`python -m cleanplate.data` is `cleanplate data`, also from a copy that is not installed."""

from cleanplate.data.commands import app

if __name__ == "__main__":
    app()
