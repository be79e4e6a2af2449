// What the rows of the opcode table for memory share.
#pragma once

#include "decoder.hpp"

namespace cpu_device {

bool take_order(Form &f); // order, scope and caching; whether it is stronger than relaxed
ptx::Space take_space(Form &f);
int take_vector(Form &f);                               // elements
uint32_t widen(Decoder &d, uint32_t a, uint32_t bytes); // to 64 bits
bool take_hint(Decoder &d, Form &f, size_t operand);    // the policy of .L2::cache_hint, which has no effect here
// The generic address of an operand, 64 bits wide; what is still to be added is `offset`.  `remote`: shared memory of other CTAs too.
uint32_t generic_address(Decoder &d, const ptx::Operand &op, ptx::Space space, uint64_t &offset, bool remote = false);
// With the offset added.
uint32_t whole_address(Decoder &d, const ptx::Operand &op, ptx::Space space, bool remote = false);
bool names_cluster(const Form &f); // .shared::cluster is written

// st.async and red.async (opcodes_async.cpp).
void store_async(Decoder &d, Form &f);
void reduce_async(Decoder &d, Form &f);

} // namespace cpu_device
