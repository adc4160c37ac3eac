"""Trains all example models and writes them to examples/models."""

from examples.train import digits, risk, tickets


def main() -> None:
    """Entry point."""
    for trainer in (digits.train, risk.train, tickets.train):
        print(trainer(), flush=True)


if __name__ == "__main__":
    main()
