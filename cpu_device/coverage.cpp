// Prints the opcode tables for coverage.py, a row a line, fields separated by tabs.
#include <cstdio>

#include "exec/decoder.hpp"
#include "exec/matrix.hpp"
#include "exec/requirements.hpp"

using namespace cpu_device;

static void shapes(const char *opcode, MatrixShapes table) {
    for (const MatrixShape *s = table.rows; s != table.rows + table.size; ++s)
        std::printf("shape\t%s\tm%dn%dk%d\t%s\t%s\t%d\t%d\t%s\n", opcode, s->m, s->n, s->k, s->inputs, s->sums, s->ptx,
                    s->target, s->word ? s->word : "");
}

int main() {
    for (const OpcodeTable &table : opcode_tables())
        for (const Opcode *o = table.rows; o != table.rows + table.size; ++o)
            std::printf("opcode\t%s\t%s\t%d\t%d\n", o->name, o->types, o->ptx_major * 10 + o->ptx_minor, o->target);
    const RequirementTable needs = requirements();
    for (const Requirement *r = needs.rows; r != needs.rows + needs.size; ++r)
        std::printf("form\t%s\t%s\t%d\t%d\t%d\n", r->opcode, r->words, r->ptx, r->target, r->specific);
    const RefusalTable refused = refusals();
    for (const Refusal *r = refused.rows; r != refused.rows + refused.size; ++r)
        if (!find_opcode(r->opcode)) std::printf("refused\t%s\t%s\n", r->opcode, r->why);
    shapes("mma", mma_shapes());
    shapes("wmma", wmma_shapes());
}
