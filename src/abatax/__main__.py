"""The entry point of the command `abatax` and of `python -m abatax`."""

from ._interrupt import watch_for_interrupts


def main() -> None:
    """Entry point of the command `abatax`, which handles interrupts before it imports large packages."""
    watch_for_interrupts()
    from .cli import main as run

    run()


if __name__ == "__main__":
    main()
