"""The child process: jobs as lines of JSON in, answers as lines of JSON out, in order. A job that takes too long ends the process."""

import json
import os
import signal
import sys

from validation.ingest import confinement

MOST_OUTPUT = 2 * 1024**3


def main() -> None:
    seconds, jobs, size, caged = (int(word) for word in sys.argv[1:5])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    confined = confinement.confine(size=size, cpu_seconds=seconds * jobs + 60, most_output=MOST_OUTPUT)
    confinement.settle(size)
    from validation.ingest.ids.jobs import done

    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM ends the process, also in the middle of native code
        answer = done(json.loads(line)) if confined or not caged else {"error": confinement.MISSING}
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
