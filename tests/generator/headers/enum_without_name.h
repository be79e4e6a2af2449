/* Enumerators of enums that have no name are constants, no types. */
enum { TOY_ALIGNMENT = 256, TOY_NONE = -1 };
enum { TOY_BIG = 0xFFFFFFFFu };
