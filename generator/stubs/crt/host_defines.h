/* For driver_types.h and vector_types.h of CUDA 12, whose wheel leaves it out; CUDA 13 has its own, found before this. */
#pragma once
#define CUDARTAPI
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __builtin_align__(bytes) __align__(bytes)
#define __cudart_builtin__
#define __device__
#define __device_builtin__
#define __host__
