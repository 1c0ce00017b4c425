"""One import worker as a process: `python -m benchmarks._worker` does the imports whose keys come in on stdin, one a line."""

import sys

import django


def main() -> None:
    django.setup()
    from labeling.imports import worker

    print("ready", flush=True)
    for line in sys.stdin:
        worker.run(int(line))
        print("done", flush=True)


if __name__ == "__main__":
    main()
