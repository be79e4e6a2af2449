/* For driver_types.h. */
#pragma once
typedef __SIZE_TYPE__ size_t;
