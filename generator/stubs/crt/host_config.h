/* For cuda_runtime.h of CUDA 12, which cuda_egl_interop.h includes: it only checks the compiler's version. */
#pragma once
