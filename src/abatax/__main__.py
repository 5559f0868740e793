"""The command `abatax`, also as `python -m abatax`."""

from ._interrupt import watch_for_interrupts


def main() -> None:
    """Entry point of the command `abatax`: interrupts are watched for before anything large is imported."""
    watch_for_interrupts()
    from .cli import main as run

    run()


if __name__ == "__main__":
    main()
