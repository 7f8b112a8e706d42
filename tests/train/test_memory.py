import subprocess
import sys

import pytest
import torch

from fishnet_search.train.memory import out_of_memory

TOO_MUCH = """
import resource
import torch
from torch import nn
from fishnet_search.train.memory import out_of_memory

torch.set_num_threads(1)
network = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.Conv2d(64, 64, 3, padding=1))
network(torch.zeros(2, 3, 32, 32)).sum().backward()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), -1))
batch = 2
try:
    while batch < 1 << 20:
        network(torch.zeros(batch, 3, 32, 32)).sum().backward()
        batch *= 2
except BaseException as error:
    print(out_of_memory(error), type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_a_batch_for_which_there_is_no_memory_is_known():
    found = subprocess.run([sys.executable, "-c", TOO_MUCH], capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout.startswith("True "), found.stdout + found.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
            "allocate 1099511627776 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("[enforce fail at alloc_cpu.cpp:75] data. DefaultCPUAllocator: not enough memory: you tried to"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("std::bad_alloc"),
    ],
    ids=lambda error: str(error)[-40:],
)
def test_memory_that_ran_out_is_told_by_its_type_or_its_words(error):
    assert out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("std::bad_alloc"), KeyboardInterrupt()],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not out_of_memory(error)
