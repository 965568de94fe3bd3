# SPDX-License-Identifier: Apache-2.0
# Run in an image: which files of its filesystems have another type than the
# image's own libselinux says, then how many have the right one.
import ctypes
import os
import sys

lib = ctypes.CDLL("libselinux.so.1", use_errno=True)
contexts = b"/etc/selinux/targeted/contexts/files/file_contexts"
if lib.matchpathcon_init(contexts) != 0:
    sys.exit("libselinux cannot read the policy")
verified = 0


def wanted(path, mode):
    found = ctypes.c_char_p()
    if lib.matchpathcon(path, mode, ctypes.byref(found)) == 0:
        return found.value.split(b":")[2]
    return None  # <<none>>


def check(path):
    global verified
    kind = wanted(path, os.lstat(path).st_mode)
    if kind is None:
        return
    try:
        label = os.getxattr(path, "security.selinux", follow_symlinks=False)
    except OSError:
        label = b"::none"
    if label.rstrip(b"\0").split(b":")[2] == kind:
        verified += 1
    else:
        print(path.decode(), label.rstrip(b"\0").decode())


check(b"/")
for top, names, files in os.walk(b"/"):
    if top == b"/":
        # Mounted over while we look: nothing of the image's.
        virtual = (b"proc", b"sys", b"dev", b"run")
        names[:] = [name for name in names if name not in virtual]
    names.sort()
    # FAT has no labels.
    if top == b"/boot" and b"efi" in names:
        names.remove(b"efi")
    for name in names + sorted(files):
        check(os.path.join(top, name))
print(verified)
