"""What a prediction holds in memory: every architecture at its published size, a short clip and a long one.

    python benchmarks/memory.py
    python benchmarks/memory.py gru viv1t --long 3000

Random weights, two mice of 7,900 neurons, all neurons of one; each measurement is a process of its own that opens the
bundle and predicts. Memory is its peak resident set: the program, the weights of both mice, and the prediction. The
answer itself is 9 MiB at 300 frames.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inference import FRAMES, published_bundle, speed
from processes import measure
from sensorium_ray.models import find


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", default=find.names(), help="all unless named")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="where networks are kept")
    parser.add_argument("--long", type=int, default=4 * FRAMES, help="frames of the long clip")
    parser.add_argument("--threads", type=int, default=0, help="of onnxruntime; 0: all cores")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    results = {}
    print(f"{'':<18}{'frames':>8}{'frames/s':>10}{'peak MiB':>10}")
    for name in arguments.architectures:
        bundle = published_bundle(arguments.folder.absolute(), name)
        for frames in (FRAMES, arguments.long):
            rate, peak = results[f"{name}, {frames}"] = measure(speed, bundle, None, frames, arguments.threads)
            print(f"{name:<18}{frames:>8}{rate:>10.1f}{peak:>10.0f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
