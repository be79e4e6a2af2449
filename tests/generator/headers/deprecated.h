/* The vendor's mark, however it is spelled. */
#define __TOY_DEPRECATED __attribute__((deprecated))

__TOY_DEPRECATED int toyOld(int);
int toyOlder(int x) __attribute__((deprecated("use toyNew")));
int toyNew(int x);
