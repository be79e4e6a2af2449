/* Names that are close to a mistyped one, for error texts. */
#include "_impl.h"

#define MOST 3 /* names suggested at once */

static int lower(char c) {
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Whether `a` becomes `b` by at most `edits` insertions, deletions and replacements of a character; in any case. */
static int is_near(const char *a, const char *b, int edits) {
    while (*a && lower(*a) == lower(*b)) a++, b++;
    if (!*a && !*b) return 1;
    if (edits == 0) return 0;
    return (*a && *b && is_near(a + 1, b + 1, edits - 1)) || (*a && is_near(a + 1, b, edits - 1)) ||
           (*b && is_near(a, b + 1, edits - 1));
}

PyObject *cubind_close_names(const char *name, cu_next_name next, void *cursor) {
    PyObject *text = PyUnicode_FromString("");
    int edits = strlen(name) < 6 ? 1 : 2, found = 0;
    for (const char *other; text && found < MOST && (other = next(cursor));) {
        if (!is_near(name, other, edits)) continue;
        PyObject *longer = PyUnicode_FromFormat("%U%s'%s'", text, found++ ? " or " : "; did you mean ", other);
        Py_DECREF(text);
        text = longer;
    }
    if (text && found) {
        PyObject *longer = PyUnicode_FromFormat("%U?", text);
        Py_DECREF(text);
        text = longer;
    }
    return text;
}
