/* refused: wide_enum.h:2: enum toyWide: its values need more than 32 bits */
typedef enum { TOY_WIDE = 0x100000000 } toyWide;
