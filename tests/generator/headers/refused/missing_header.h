/* refused: missing_header.h:2: 'toyElsewhere.h' file not found.*wheel that versions.toml must name.*stubs/ */
#include "toyElsewhere.h"
int toyFirst(int);
