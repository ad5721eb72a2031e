"""TensorBoard's own reader reads the run's event file, and its scalar series are those of metrics.jsonl."""

import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util

import common

STEPS = 30


def as_f32(value):
    """What is left of a number in an event file, whose scalars are f32."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def series_of(run):
    """Tag -> list of (step, value), as TensorBoard would draw them."""
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    series = {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:
        values = [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)]
        if all(array.shape == () and array.dtype.kind == "f" for _, array in values):
            series[tag] = [(step, float(array)) for step, array in values]
    return series


def logged(lines, key, steps):
    """(step, value) of the lines that have this key at one of the steps."""
    return [(line["step"], line[key]) for line in lines if isinstance(line.get(key), (int, float)) and line["step"] in steps]


def main():
    gradus, work, checks = common.start()
    run = work / "run"
    gradus.json("train", "--model", "mlp", "--max-steps", STEPS, "--set", "log_every=1", "--out", run)
    files = sorted(run.glob("events.out.tfevents.*"))
    checks.equal("one event file", len(files), 1)

    # The strict reader checks the record's CRCs and stops at the first damaged one.
    events = list(EventFileLoader(str(files[0])).Load())
    checks.equal("the file starts with its version", events[0].file_version, "brain.Event:2")
    times = [event.wall_time for event in events]
    checks.check("wall times grow", times == sorted(times) and times[0] > 1.6e9, f"{len(events)} events")

    lines = common.metrics(run)
    series = series_of(run)
    checks.check("TensorBoard finds scalars", len(series) > 0, ", ".join(sorted(series)))
    compared = 0
    for tag, points in sorted(series.items()):
        key = tag.split("/")[-1]
        steps = {step for step, _ in points}
        candidates = [lines] + [[line for line in lines if is_eval(line) == evaluation] for evaluation in (False, True)]
        # A rate of work is logged in whole examples.
        shown = round if key == "examples_per_second" else as_f32
        wanted = [[(step, shown(value)) for step, value in logged(chosen, key, steps)] for chosen in candidates]
        if not any(wanted):
            continue
        compared += 1
        found = [(step, shown(value)) for step, value in points]
        checks.check(f"series {tag}", found in wanted, f"{len(points)} points, last {found[-1]}")
    checks.check("series compared with metrics.jsonl", compared >= 2, str(compared))
    losses = [points for tag, points in series.items() if tag.split("/")[-1] == "loss" and len(points) >= STEPS]
    checks.check("a loss for every step", len(losses) > 0, f"{STEPS} steps")
    checks.finish()


def is_eval(line):
    """A line says in `kind` what it is: `train` for a step of training."""
    return line["kind"] != "train"


if __name__ == "__main__":
    sys.exit(main())
