/* Members of an anonymous union are members of the record around it: the field has no name, but a record. */
typedef enum toyKind { TOY_KIND_INT, TOY_KIND_FLOAT } toyKind;

typedef struct toyValue_st {
    toyKind kind;
    union {
        long long integer;
        double number;
        struct {
            unsigned short low, high;
        };
    };
} toyValue;
