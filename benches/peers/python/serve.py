"""What the Python peers share: they speak with `cargo xtask bench --peers` as `benches/peers/README.md` describes."""

import json
import sys
import time

WARM_UP = 2


def status_mb(field):
    """A field of /proc/self/status in MiB; None where the system has no such file."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def serve(version, base_rss_mb, step):
    """Runs `step`, which returns the loss, as often as each line of stdin asks, and answers with a line of JSON.

    `base_rss_mb` is the peak after the imports, before the model.
    """
    say({"ready": True, "version": version, "base_rss_mb": base_rss_mb, **timed(WARM_UP, step)})
    for line in sys.stdin:
        say(timed(int(line), step))


def timed(steps, step):
    times, losses = [], []
    for _ in range(steps):
        began = time.perf_counter()
        losses.append(step())
        times.append((time.perf_counter() - began) * 1e3)
    return {"ms": times, "losses": losses, "peak_rss_mb": status_mb("VmHWM")}


def say(answer):
    print(json.dumps(answer), flush=True)
