# SPDX-License-Identifier: Apache-2.0
"""Lists every entry below the working directory, mounts included: a line of
JSON each, with all that a copy could lose."""
import hashlib
import json
import os
import stat
import sys


def entry(path):
    found = os.lstat(path)
    kind = stat.S_IFMT(found.st_mode)
    content = None
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
    elif kind == stat.S_IFLNK:
        content = os.readlink(path)
    elif kind in (stat.S_IFBLK, stat.S_IFCHR):
        content = found.st_rdev
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return {
        "mode": oct(found.st_mode), "owner": [found.st_uid, found.st_gid],
        "links": found.st_nlink if kind != stat.S_IFDIR else 0,
        "size": found.st_size if kind == stat.S_IFREG else 0,
        "times": [found.st_mtime_ns, found.st_ctime_ns, found.st_atime_ns],
        "xattrs": {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in names},
        "content": content,
    }


for directory, names, files in os.walk("."):
    names.sort()
    for name in sorted(names + files):
        path = os.path.join(directory, name)
        json.dump([path[2:], entry(path)], sys.stdout, sort_keys=True)
        print()
