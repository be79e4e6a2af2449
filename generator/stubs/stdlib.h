/* For cuda.h and nvrtc.h, which take size_t from it. */
#pragma once
#include <stddef.h>
