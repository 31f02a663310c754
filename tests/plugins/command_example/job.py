#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A whole PairLab job with the standard library of another language: reads run.json, appends events.jsonl, obeys control.jsonl."""
import json, os, signal, sys, time

bundle = sys.argv[1]
spec = json.load(open(os.path.join(bundle, "run.json")))
p = spec["parameters"]
events_path = os.path.join(bundle, "events.jsonl")
seen = [json.loads(line) for line in open(events_path)] if os.path.exists(events_path) else []
events = os.open(events_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
seq = max([e["seq"] for e in seen], default=-1)


def emit(kind, **fields):
    global seq
    seq += 1
    line = json.dumps({"seq": seq, "t": int(time.time() * 1000), "type": kind, **fields}) + "\n"
    os.write(events, line.encode())  # one write a line


stop_reason = None
if p["ignore_stop"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    def on_term(*_):
        global stop_reason
        stop_reason = "SIGTERM"
    signal.signal(signal.SIGTERM, on_term)

control_path = os.path.join(bundle, "control.jsonl")
control_read = os.path.getsize(control_path) if os.path.exists(control_path) else 0


def wishes():
    """The desk's new lines; what was asked before this start is over."""
    global control_read
    if not os.path.exists(control_path):
        return []
    with open(control_path, "rb") as f:
        f.seek(control_read)
        data = f.read()
    whole = data[: data.rfind(b"\n") + 1]
    control_read += len(whole)
    return [json.loads(line) for line in whole.splitlines()]


start = max([e["step"] for e in seen if e["type"] == "metrics"], default=0)
emit("run.start", protocol=1, plugin=spec["plugin"], pid=os.getpid(), host=os.uname().nodename, device=spec["device"])
if start:
    emit("rewind", to_step=start)
for step in range(start + 1, p["steps"] + 1):
    time.sleep(p["step_ms"] / 1000)
    if p["fail_at"] == step:
        print("job.py: the planned failure", flush=True)
        emit("run.end", state="failed", reason=f"failed at step {step} as asked")
        sys.exit(70)
    emit("metrics", step=step, epoch=step / p["steps"], tokens=0, values={"loss": 1.0 / step})
    emit("progress", step=step, of=p["steps"], eta_s=(p["steps"] - step) * p["step_ms"] / 1000)
    for wish in [] if p["ignore_stop"] else wishes():
        emit("ack", id=wish["id"], ok=True)
        if wish["type"] in ("stop", "pause"):
            stop_reason = "paused" if wish["type"] == "pause" else "stopped as asked"
    if stop_reason:
        emit("run.end", state="stopped", reason=stop_reason)
        sys.exit(3)
emit("run.end", state="finished", reason="")
