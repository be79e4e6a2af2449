/* A macro that stands for nothing but a function is its public name, also without a version. */
#define toyBegin toyBeginInternal
#define TOY_NOT_A_FUNCTION toyNothing
int toyBeginInternal(int flags);
