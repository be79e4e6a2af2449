/* The innermost documentation group that is open: the vendor's page is named after it. */
int toyOutside(void);

/**
 * \defgroup TOY_MEM Memory
 * @{
 */
int toyAlloc(void **out);

/** \defgroup TOY_MEM_POOL Pools
 *  @{ */
int toyPoolCreate(void **pool);
/** @} */

int toyFree(void *memory);
/** @} */
int toyBehind(void);
