"""One model checked once by the starter pack: `python -m benchmarks.full_check FILE` prints one JSON object."""

import json
import resource
import sys
from datetime import date
from pathlib import Path

import django

django.setup()

from validation.services import one_off  # noqa: E402  Django first
from validation.services.one_off import Request  # noqa: E402


def main() -> None:
    path = Path(sys.argv[1])
    asked = Request(jurisdiction="US-WA-SEA", on=date(2025, 1, 1), rule_sets=("nfpa101-2015",), situation={"occupancy": "B", "existing": False})
    found = one_off.check(path, asked)
    peak = max(found.model.peak_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    print(
        json.dumps(
            {
                "megabytes": round(path.stat().st_size / 1e6, 1),
                "elements": len(found.model.elements),
                "rules": len(found.book.rules),
                "read_s": round(found.model.seconds, 2),
                "check_s": round(found.seconds, 2),
                "evaluations": found.evaluations,
                "evaluations_per_s": round(found.evaluations / found.seconds),
                "peak_mb": peak // 1_000_000,
                "peak_reading_mb": found.model.peak_bytes // 1_000_000,
                "state": found.model.state,
                "score": found.score.score,
                "coverage": found.score.coverage,
                "result_sha256": found.results.sha256(),
            }
        )
    )


if __name__ == "__main__":
    main()
