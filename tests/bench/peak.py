#!/usr/bin/python3
"""usage: peak.py COMMAND ...: runs it and prints its peak of memory in MB (10^6 bytes) as the last line on standard error."""
import resource
import subprocess
import sys
status = subprocess.call(sys.argv[1:])
print(round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6, 1), file=sys.stderr)
sys.exit(status)
