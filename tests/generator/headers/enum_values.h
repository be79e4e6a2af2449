/* Negative and equal values, in the order of their declaration: a later name for a value is an alias. */
typedef enum {
    TOY_ANY = -1,
    TOY_FIRST,
    TOY_SECOND,
    TOY_DEFAULT = TOY_FIRST,
    TOY_LAST = 100,
    TOY_AFTER,
    TOY_MAX = TOY_AFTER
} toyChoice;
