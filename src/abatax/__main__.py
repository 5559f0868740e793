"""The command `abatax`, also as `python -m abatax`."""

from ._interrupt import end_interrupted, was_interrupted, watch_for_interrupts


def main() -> None:
    """Entry point of the command `abatax`: interrupts are watched for before anything large is imported."""
    watch_for_interrupts()
    try:
        from .cli import main as run

        run()
    except KeyboardInterrupt:
        end_interrupted()
    finally:
        if was_interrupted():
            end_interrupted()


if __name__ == "__main__":
    main()
