"""The door: `lab ...` and `python -m lab ...`; turns mistakes into one sentence and an exit code."""

from __future__ import annotations

import sys

from lab.errors import LabError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when all is well, 1 when a trial failed, 2 for a mistake of the person's."""
    from lab.cli.app import app

    try:
        code = app(arguments, result_action="return_value", exit_on_error=False, print_error=True)
    except LabError as mistake:
        print(mistake, file=sys.stderr)  # noqa: T201
        if len(mistake.problems) > 1:
            print(f"{len(mistake.problems)} mistakes", file=sys.stderr)  # noqa: T201
        return 2
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if type(error).__module__.startswith("cyclopts"):
            return 2
        raise
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
