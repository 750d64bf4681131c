"""Shared memory as arrays of numpy, by libsmem.so and ctypes.

As a program it makes a segment, and another process changes it.
"""
import ctypes
import os
import subprocess
import sys
import weakref

import numpy

lib = ctypes.CDLL("libsmem.so.0")
UNTIL_FREED, OF_PROCESS = 0, 1
READ_WRITE, READ_ONLY, PRIVATE = 0, 1, 2


class Request(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("bytes", ctypes.c_uint64),
                ("name", ctypes.c_char_p), ("trace", ctypes.c_char_p),
                ("number", ctypes.c_uint64), ("made", ctypes.c_uint64),
                ("is_sync", ctypes.c_bool)]


class Handle(ctypes.Structure):  # what is used of it
    _fields_ = [("size", ctypes.c_size_t), ("address", ctypes.c_void_p),
                ("capacity", ctypes.c_uint64), ("requested", ctypes.c_uint64)]


class Error(ctypes.Structure):  # with room to spare
    _fields_ = [("size", ctypes.c_size_t), ("rest", ctypes.c_char * 1016)]


lib.smem_open.argtypes = [ctypes.c_char_p, ctypes.c_int,
                          ctypes.POINTER(ctypes.POINTER(Handle)), ctypes.c_void_p]
lib.smem_close.argtypes = [ctypes.POINTER(Handle)]
lib.smem_allocate.argtypes = [ctypes.POINTER(Request), ctypes.c_size_t, ctypes.c_int,
                              ctypes.c_bool, ctypes.c_void_p]
lib.smem_free.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_size_t,
                          ctypes.c_void_p, ctypes.c_void_p]
lib.smem_error_message.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint]
lib.smem_environment.argtypes = [ctypes.c_char_p] * 3
lib.smem_start(None)
lib.smem_environment(os.environb.get(b"SHAREDMEMORY_NAMESPACE"), None, None)


def check(function, *arguments):
    error = Error(size=ctypes.sizeof(Error))
    if function(*arguments, ctypes.byref(error)) != 0:
        text = ctypes.create_string_buffer(1024)
        lib.smem_error_message(ctypes.byref(error), text, len(text))
        raise OSError(text.value.decode())


def allocate(name, size, lifetime=OF_PROCESS):
    """Make a segment of `size` bytes; it must not exist."""
    request = Request(ctypes.sizeof(Request), size, name.encode())
    check(lib.smem_allocate, request, 1, lifetime, True)


def attach(name, dtype, access=READ_ONLY):
    """The segment as an array. It is mapped as long as an array shows it."""
    handle = ctypes.POINTER(Handle)()
    check(lib.smem_open, name.encode(), access, handle)
    opened = handle.contents
    memory = (ctypes.c_char * opened.requested).from_address(opened.address)
    weakref.finalize(memory, lib.smem_close, handle)
    array = numpy.frombuffer(memory, dtype)
    array.flags.writeable = access != READ_ONLY
    return array


def free(name):
    check(lib.smem_free, ctypes.c_char_p(name.encode()), 1, None)


if __name__ == "__main__":
    if len(sys.argv) > 1:  # the other process
        attach(sys.argv[1], "f8", READ_WRITE)[:] *= 2
        sys.exit()
    allocate("from-python", 8 * 1000)
    numbers = attach("from-python", "f8", READ_WRITE)
    numbers[:] = numpy.arange(1000)
    subprocess.run([sys.executable, __file__, "from-python"], check=True)
    assert numbers.sum() == 999000, numbers
    print(numbers.sum())
    free("from-python")
    try:
        attach("from-python", "f8")
    except OSError as problem:
        assert "no segment has this id" in str(problem)
    else:
        raise AssertionError("it is still there")
