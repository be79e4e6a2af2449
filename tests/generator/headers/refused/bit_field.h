/* refused: bit_field.h:4: bit-field toyBits.low: the facts cannot express bit-fields yet */

typedef struct {
    unsigned low : 4;
    unsigned high : 28;
} toyBits;
