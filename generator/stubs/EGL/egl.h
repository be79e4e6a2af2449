/* For cudaEGL.h and cuda_egl_interop.h. */
#pragma once
typedef int EGLint;
