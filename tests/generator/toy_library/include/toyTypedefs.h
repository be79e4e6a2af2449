/* The prototypes behind the resolver's versions. */
#include "toy.h"
typedef toyStatus (*PFN_toyBoxCreate_v1000)(int *box, int size);
typedef toyStatus (*PFN_toyBoxCreate_v1020)(toyBox *box, int size);
