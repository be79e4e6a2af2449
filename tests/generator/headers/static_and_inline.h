/* Functions that no library exports are not declared by it: static helpers of the header. */
static inline int toyMin(int a, int b) { return a < b ? a : b; }
int toyMax(int a, int b);
