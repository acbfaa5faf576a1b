#!/usr/bin/env python3
"""Whether two stores hold the same records, byte for byte in everything but the timings and the digest over them.

    same_records.py STORE OTHER
"""
import pathlib
import re
import subprocess
import sys


def results(store):
    out = {}
    for path in sorted(pathlib.Path(store, "records").glob("[0-9a-f]*")):
        data = path.read_bytes() if path.suffix == ".json" else subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
        # Timings and digest are the last two fields.
        head, cut, _ = data.rpartition(b',"timings":')
        assert cut and re.search(rb'"results":\{', head), path
        out[path.name] = head
    return out


one, other = map(results, sys.argv[1:3])
assert one, f"{sys.argv[1]} holds no records"
missing, extra = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
differing = [name for name in one.keys() & other.keys() if one[name] != other[name]]
if missing or extra or differing:
    sys.exit(f"error: {len(missing)} records are missing, {len(extra)} are not of the study, {len(differing)} differ: {(missing + extra + differing)[:5]}")
print(f"{len(one)} records are the same, byte for byte in their results")
