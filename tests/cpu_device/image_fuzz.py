"""Loads and links damaged images for some seconds: `python tests/cpu_device/image_fuzz.py SECONDS SEED LAST`.

The driver is the one that cubind opens.  The image that is being loaded lies in the file LAST.  Prints how many were taken and how
many were refused; one that takes more than 20 seconds ends the process with SIGALRM.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.helpers.cpu import KERNELS
from tests.helpers.images import damaged, whole

REFUSALS = {
    "CUDA_ERROR_INVALID_IMAGE",
    "CUDA_ERROR_INVALID_VALUE",
    "CUDA_ERROR_NO_BINARY_FOR_GPU",
    "CUDA_ERROR_INVALID_PTX",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
    "CUDA_ERROR_NOT_SUPPORTED",
    "CUDA_ERROR_INVALID_SOURCE",
    "CUDA_ERROR_NOT_FOUND",
}


def load(driver, image: bytes) -> None:
    """As a module, or for an archive by linking."""
    if not image.startswith(b"!<arch>"):
        driver.cuModuleUnload(driver.cuModuleLoadData(image + bytes(8)))
        return
    link = driver.cuLinkCreate(None, None, None)
    try:
        kinds = driver.CUjitInputType
        driver.cuLinkAddData(link, kinds.CU_JIT_INPUT_LIBRARY, image, len(image), "part", None, None, None)
        driver.cuLinkAddData(link, kinds.CU_JIT_INPUT_PTX, OTHER, len(OTHER), "other", None, None, None)
        driver.cuModuleUnload(driver.cuModuleLoadData(driver.cuLinkComplete(link)))
    finally:
        driver.cuLinkDestroy(link)


OTHER = b".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry other() { ret; }\n\0"


def main(seconds: float, seed: int, last: Path) -> None:
    import cubind
    from cubind import driver

    driver.cuInit(0)
    driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(0))
    choose, images = random.Random(seed), whole(KERNELS.encode())
    for image in images:
        load(driver, image)
    taken = refused = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        image = damaged(choose.choice(images), choose)
        last.write_bytes(image)
        signal.alarm(20)
        try:
            load(driver, image)
            taken += 1
        except cubind.CudaError as error:
            assert error.name in REFUSALS, error
            refused += 1
        signal.alarm(0)
    print(taken, refused)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
