"""Entry point of python -m loadtest.evaluation."""

from loadtest.evaluation.command import main

if __name__ == "__main__":
    main()
