/* Documented as returned: a hint about the parameter, whatever the words. */

/**
 * \param items - Returned items
 * \param count - On input the room, on output the number
 * @param[out] total Number of all items
 * @param[in,out] cursor Where to go on
 * \param first - The first one
 */
int toyList(int *items, unsigned *count, unsigned long *total, int *cursor, int first);
