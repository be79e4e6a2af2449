/* `typedef struct { } X`: a record X, and no `struct X`.  A record may also have a tag alone. */
typedef struct {
    float x, y;
} toyPoint;

struct toyBox {
    toyPoint from, to;
};

int toyDraw(const struct toyBox *box);
