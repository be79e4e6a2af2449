/* For cudaEGL.h and cuda_egl_interop.h. */
#pragma once
typedef void *EGLImageKHR;
typedef void *EGLStreamKHR;
typedef void *EGLSyncKHR;
