"""How well intents are recognised, and how fast: `./run bench nlu [--json] [--data DIR] [--quick]`, or `--train FILE --test FILE`.

Without files: CLINC150 (Larson et al. 2019, CC BY 3.0), read from clinc150_full.json in DIR (default ../shared/data/nlu). It is not part of
this repository: take data/data_full.json from github.com/clinc/oos-eval and save it under that name.
  clinc_10shot       in-scope accuracy with 10 examples of each intent, mean of three draws (no out-of-scope examples: the best intent counts)
  clinc_full         in-scope accuracy with all examples and the paper's 100 out-of-scope ones; an answer below the bar counts as wrong
  clinc_oos_recall   share of the out-of-scope test sentences that the same model turns away
  p50_ms             median time of one utterance on one thread, sentence model included

With files: CSV with the columns text and label; the label `oos` (or out_of_scope) is out-of-scope. `accuracy` is over all rows of the test
file; with out-of-scope rows among them an answer below the bar counts as "out of scope", without any the best intent counts.
The same code that trains a flow's model in a worker trains here; nothing knows which data it is.
"""

import argparse
import csv
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # numpy reads them when it is loaded

from conversations.nlu import evaluation, minilm, training  # noqa: E402  numpy's threads are set first
from conversations.nlu.model import BAR, OUT_OF_SCOPE, OUT_OF_SCOPE_NAMES, IntentModel  # noqa: E402

Rows = Sequence[tuple[str, str]]

FILE = "clinc150_full.json"
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "nlu"
DRAWS = 3
SHOTS = 10
TIMED = 300


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def told(done: int, total: int, phase: str) -> None:
    if done == 0 or done % 2_000 == 0:
        say(f"  {phase} {done}/{total}")


def answers(model: IntentModel, texts: Sequence[str], *, refuse: bool) -> list[str]:
    """The best intent of each text; OUT_OF_SCOPE for what stays below the bar when it may be refused."""
    certain = model.certainties(model.features.rows(list(texts)))
    best, place = evaluation.best_intents(certain, model.labels)
    names = [model.labels[one] for one in place]
    if not refuse:
        return names
    return [name if model.confidence(float(value)) >= BAR else OUT_OF_SCOPE for name, value in zip(names, best, strict=True)]


def share(right: Sequence[bool]) -> float:
    return round(sum(right) / len(right), 4) if right else 0.0


def measure_speed(model: IntentModel, texts: Sequence[str]) -> dict[str, float]:
    """Every text is new to the process, as an utterance is."""
    spent = []
    for text in texts:
        minilm.forget(text)
        began = time.perf_counter()
        model.classify(text)
        spent.append((time.perf_counter() - began) * 1000)
    ordered = sorted(spent)
    return {"p50_ms": round(median(ordered), 2), "p95_ms": round(ordered[int(len(ordered) * 0.95)], 2)}


def clinc(folder: Path) -> dict[str, Any]:
    file = folder / FILE
    if not file.is_file():
        raise SystemExit(
            f"{file} is not there. Take data/data_full.json from github.com/clinc/oos-eval and save it as {FILE}; --data names its folder."
        )
    data: dict[str, list[list[str]]] = json.loads(file.read_text())
    parts = {name: [(text, label) for text, label in rows] for name, rows in data.items()}
    few = [few_shot(parts["train"], parts["test"], draw) for draw in range(DRAWS)]
    say(f"10-shot, {DRAWS} draws: {few}")
    say("all examples: this takes some minutes")
    learned = training.learn([*parts["train"], *parts["oos_train"]], told=told)
    model = learned.model
    inside = answers(model, [text for text, _ in parts["test"]], refuse=True)
    outside = answers(model, [text for text, _ in parts["oos_test"]], refuse=True)
    plain = answers(model, [text for text, _ in parts["test"]], refuse=False)
    return {
        "clinc_10shot": round(sum(few) / len(few), 4),
        "clinc_full": share([name == label for name, (_, label) in zip(inside, parts["test"], strict=True)]),
        "clinc_oos_recall": share([name == OUT_OF_SCOPE for name in outside]),
        **measure_speed(model, [text for text, _ in random.Random(1).sample(parts["test"], TIMED)]),
        "clinc_10shot_draws": few,
        "clinc_full_without_refusing": share([name == label for name, (_, label) in zip(plain, parts["test"], strict=True)]),
        "settings": {name: learned.choices[name] for name in ("encoder", "gain", "penalty")},
    }


def few_shot(train: Rows, test: Rows, draw: int) -> float:
    by_intent: dict[str, list[str]] = defaultdict(list)
    for text, label in train:
        by_intent[label].append(text)
    dice = random.Random(draw)
    chosen = [(text, label) for label in sorted(by_intent) for text in dice.sample(by_intent[label], SHOTS)]
    say(f"10-shot, draw {draw + 1}")
    model = training.learn(chosen, told=told).model
    found = answers(model, [text for text, _ in test], refuse=False)
    return share([name == label for name, (_, label) in zip(found, test, strict=True)])


def files(train: Path, test: Path) -> dict[str, Any]:
    known, asked = read(train), read(test)
    try:
        learned = training.learn(known, told=told)
    except training.TooLittle as fault:
        raise SystemExit(f"{train}: two labels with two different texts each are needed.") from fault
    refuse = any(label == OUT_OF_SCOPE for _, label in asked)
    began = time.perf_counter()
    found = answers(learned.model, [text for text, _ in asked], refuse=refuse)
    pairs = [(name, label) for name, (_, label) in zip(found, asked, strict=True)]
    inside = [name == label for name, label in pairs if label != OUT_OF_SCOPE]
    outside = [name == label for name, label in pairs if label == OUT_OF_SCOPE]
    return {
        "accuracy": share([name == label for name, label in pairs]),
        "in_scope_accuracy": share(inside),
        **({"oos_recall": share(outside)} if outside else {}),
        "labels": len(learned.model.intents),
        "train": len(known),
        "test": len(asked),
        "accepted": share([one != OUT_OF_SCOPE for one in answers(learned.model, [text for text, _ in asked], refuse=True)]),
        "ms_per_text": round((time.perf_counter() - began) * 1000 / max(1, len(asked)), 2),
        **measure_speed(learned.model, [text for text, _ in asked[:TIMED]]),
        "settings": {name: learned.choices[name] for name in ("encoder", "gain", "penalty")},
    }


def read(file: Path) -> list[tuple[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        names = {name.strip().lower(): name for name in rows.fieldnames or ()}
        if not {"text", "label"} <= set(names):
            raise SystemExit(f"{file} needs the columns text and label; it has {', '.join(names) or 'none'}.")
        found = [((row[names["text"]] or "").strip(), (row[names["label"]] or "").strip()) for row in rows]
    return [(text, OUT_OF_SCOPE if label.lower() in OUT_OF_SCOPE_NAMES else label) for text, label in found if label]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench nlu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--data", type=Path, default=DEFAULT, help=f"folder with {FILE}")
    parser.add_argument("--train", type=Path, help="CSV with text,label")
    parser.add_argument("--test", type=Path, help="CSV with text,label")
    given = parser.parse_args()
    if bool(given.train) != bool(given.test):
        parser.error("--train and --test go together")
    found = files(given.train, given.test) if given.train else clinc(given.data)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
