/* For driver_types.h, which includes it and uses nothing of it in C. */
#pragma once
