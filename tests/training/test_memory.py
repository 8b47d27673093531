"""Freed memory is used again rather than asked for anew."""

import platform
import subprocess
import sys

import pytest

CODE = """
import ctypes, resource
from sensorium_ray.training.memory import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def fill():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(2**26)
    libc.memset(block, 1, 2**26)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

fill()
print(fill())
keep_freed_memory()
fill()
print(fill())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_the_kernel_maps_no_pages_for_memory_that_was_freed_before() -> None:
    answer = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    as_it_was, kept = map(int, answer.stdout.split())
    assert as_it_was >= 2**26 // 2**21  # even where the kernel's pages are huge
    assert kept == 0
