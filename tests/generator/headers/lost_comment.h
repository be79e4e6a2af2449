/* A comment that clang does not connect with the function, because a preprocessor line stands between. */

/**
 * \param out - Returned address
 */
#if 1

int toyAlloc(void *out[1]);
#endif

/**
 * \param count - Returned count
 */
#define toyCount toyCount_v2
int toyCount(int *count);

int toyBare(int *bare);
