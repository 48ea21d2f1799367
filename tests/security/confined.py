"""Runs a program as a container would: `python confined.py FOLDER… -- PROGRAM ARGUMENTS`.

No capability, no new privilege, no user but 10001 where the program can be reached by one, and no place to write but
the given folders and /dev/null: the kernel's Landlock, which needs no right and no namespace. What the program starts
is held in the same way.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same number on every machine
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
# linux/landlock.h: everything that changes a file system, by the version that brought it
WRITE_FILE, TRUNCATE = 1 << 1, 1 << 14
CHANGES = {1: WRITE_FILE | sum(1 << bit for bit in range(4, 13)), 2: 1 << 13, 3: TRUNCATE}
USER = 10001


class Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


class Rule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Landlock's version; 0 or less where there is none."""
    return int(LIBC.syscall(CREATE_RULESET, None, 0, 1))


def only(folders: list[str]) -> None:
    """From now on this process writes nowhere else."""
    handled = ctypes.c_uint64(sum(bits for since, bits in CHANGES.items() if since <= version()))
    ruleset = must(LIBC.syscall(CREATE_RULESET, ctypes.byref(handled), 8, 0))
    to_files = handled.value & (WRITE_FILE | TRUNCATE)
    for path, allowed in [("/dev/null", to_files), *((folder, handled.value) for folder in folders)]:
        rule = Rule(allowed, os.open(path, os.O_PATH | os.O_CLOEXEC))
        must(LIBC.syscall(ADD_RULE, ruleset, 1, ctypes.byref(rule), 0))
    must(LIBC.syscall(RESTRICT_SELF, ruleset, 0))


def without_rights(program: str, folders: list[str]) -> None:
    """Gives up what root has: the capabilities, and the user where another one gets as far as the program."""
    if os.geteuid() == 0:
        for capability in range(64):
            LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        if all(open_to_all(place) for place in (program, os.path.realpath(program), sys.prefix, *folders)):
            os.setgroups([])
            os.setresgid(USER, USER, USER)
            os.setresuid(USER, USER, USER)
        must(LIBC.capset(ctypes.byref(Header(0x20080522, 0)), (Sets * 2)()))
    must(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def open_to_all(place: str) -> bool:
    """Whether every folder on the way may be passed by anybody."""
    return all(parent.stat().st_mode & 0o001 for parent in Path(place).absolute().parents)


def must(result: int) -> int:
    """The result of a call that may not fail."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


if __name__ == "__main__":
    border = sys.argv.index("--")
    folders, command = sys.argv[1:border], sys.argv[border + 1 :]
    without_rights(command[0], folders)
    only(folders)
    os.execv(command[0], command)
