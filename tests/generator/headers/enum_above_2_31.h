/* Values that need all 32 bits: the enum is unsigned. */
enum toyFlags {
    TOY_FLAG_NONE = 0,
    TOY_FLAG_HIGH = 0x80000000,
    TOY_FLAG_ALL = 0xFFFFFFFFu
};
typedef enum toyFlags toyFlags_t;
