"""Run every benchmark, or those that are named; --output writes the tables as Markdown."""

from bench._table import main

if __name__ == "__main__":
    main()
