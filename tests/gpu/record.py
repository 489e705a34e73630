"""usage: record.py FOLDER machine [PYTHON_WITH_TORCH]
       record.py FOLDER check NAME TITLE LOG
Rows of FOLDER/results.tsv, and the page FOLDER/RESULTS.md of all rows.  machine: what is here; what was measured on another machine is
forgotten.  check: how a test ended, from what tests/run said."""
import ctypes
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "bench")]
import page  # noqa: E402
import results as table  # noqa: E402


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def cudnn_version():
    try:
        version = ctypes.CDLL("libcudnn.so.9").cudnnGetVersion()
    except OSError:
        try:
            version = ctypes.CDLL("/usr/local/cuda/lib64/libcudnn.so.9").cudnnGetVersion()
        except OSError:
            return "not found"
    return f"{version // 10000}.{version // 100 % 100}.{version % 100}"


def machine(r, torch=""):
    facts = said("nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm,compute_cap", "--format=csv,noheader").split("\n")[0]
    found = {"gpu": facts or "none", "cudnn": cudnn_version(), "torch": "not there", "processors": str(os.cpu_count())}
    if torch:
        for name in ("torch", "nnunetv2"):
            found[name] = said(torch, "-c", f"from importlib.metadata import version; print(version('{name}'))") or "not there"
    if any(r.get("machine", "here", "is", k) != v for k, v in found.items()):
        r.row.clear()
    revision = said("git", "-C", HERE, "describe", "--always", "--dirty")
    r.add("machine", "here", "is", **found, date=time.strftime("%Y-%m-%d"), revision=revision or "unknown")


def check(r, name, title, log):
    with open(log, errors="replace") as f:
        text = f.read()
    notes = "; ".join(re.findall(r"^# (?!skipped: |failed: |in the release)(.*)", text, re.M)) if re.search(r"^ok ", text, re.M) else ""
    skipped = re.search(r"^ok .*# SKIP ?(.*)", text, re.M)
    outcome = "not run: " + skipped[1] if skipped else "passed" if re.search(r"^ok ", text, re.M) else "FAILED"
    if outcome == "FAILED":
        notes = "; ".join(re.findall(r"^# (.*)", text, re.M)[:6])
    r.begin("checks", name, title)
    r.add("checks", name, "test", outcome=outcome, notes=notes.replace("\t", " ") or "-")


def main(folder, what, *args):
    r = table.load(f"{folder}/results.tsv")
    {"machine": machine, "check": check}[what](r, *args)
    table.save(r, f"{folder}/results.tsv")
    page.write(r, f"{folder}/RESULTS.md")


main(*sys.argv[1:])
