"""The kernels of cpu_device.py as PTX: the work of a thread is written out, nothing is tuned for an interpreter."""

HEAD = ".version 8.0\n.target sm_80\n.address_size 64\n"
INDEX = "mov.u32 %r0, %ctaid.x; mov.u32 %r1, %ntid.x; mov.u32 %r2, %tid.x; mad.lo.s32 %r3, %r0, %r1, %r2;"

EMPTY = HEAD + ".visible .entry empty() { ret; }"

SAXPY = (
    HEAD
    + """.visible .entry saxpy(.param .u64 x, .param .u64 y, .param .f32 a, .param .u32 n) {
.reg .b32 %r<8>; .reg .b64 %d<8>; .reg .f32 %f<8>; .reg .pred %p;
"""
    + INDEX
    + """
ld.param.u32 %r4, [n]; setp.ge.u32 %p, %r3, %r4; @%p bra DONE;
ld.param.u64 %d0, [x]; ld.param.u64 %d1, [y]; ld.param.f32 %f0, [a];
mul.wide.u32 %d2, %r3, 4; add.s64 %d3, %d0, %d2; add.s64 %d4, %d1, %d2;
ld.global.f32 %f1, [%d3]; ld.global.f32 %f2, [%d4]; fma.rn.f32 %f3, %f0, %f1, %f2; st.global.f32 [%d4], %f3;
DONE: ret; }"""
)

STEP = "ld.shared.f32 %f1, [%r10+{a}]; ld.shared.f32 %f2, [%r11+{b}]; fma.rn.f32 %f0, %f1, %f2, %f0;\n"
MATMUL = (
    HEAD
    + """.visible .entry matmul(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n) {
.reg .b32 %r<24>; .reg .b64 %d<16>; .reg .f32 %f<8>; .reg .pred %p;
.shared .align 4 .b8 sa[1024]; .shared .align 4 .b8 sb[1024];
mov.u32 %r0, %tid.x; mov.u32 %r1, %tid.y; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ctaid.y; ld.param.u32 %r4, [n];
shl.b32 %r5, %r3, 4; add.u32 %r5, %r5, %r1; shl.b32 %r6, %r2, 4; add.u32 %r6, %r6, %r0;
ld.param.u64 %d0, [a]; ld.param.u64 %d1, [b]; ld.param.u64 %d2, [c];
mad.lo.u32 %r7, %r5, %r4, %r0; mul.wide.u32 %d3, %r7, 4; add.s64 %d0, %d0, %d3;
mad.lo.u32 %r7, %r1, %r4, %r6; mul.wide.u32 %d3, %r7, 4; add.s64 %d1, %d1, %d3;
mad.lo.u32 %r7, %r5, %r4, %r6; mul.wide.u32 %d3, %r7, 4; add.s64 %d2, %d2, %d3; mul.wide.u32 %d4, %r4, 64;
mov.u32 %r8, sa; mov.u32 %r9, sb; shl.b32 %r12, %r1, 6; shl.b32 %r13, %r0, 2;
add.u32 %r10, %r8, %r12; add.u32 %r11, %r9, %r13; add.u32 %r14, %r10, %r13; add.u32 %r15, %r11, %r12;
mov.f32 %f0, 0f00000000; mov.u32 %r16, 0;
LOOP: ld.global.f32 %f3, [%d0]; ld.global.f32 %f4, [%d1]; st.shared.f32 [%r14], %f3; st.shared.f32 [%r15], %f4; bar.sync 0;
"""
    + "".join(STEP.format(a=4 * k, b=64 * k) for k in range(16))
    + """bar.sync 0; add.s64 %d0, %d0, 64; add.s64 %d1, %d1, %d4; add.u32 %r16, %r16, 16; setp.lt.u32 %p, %r16, %r4; @%p bra LOOP;
st.global.f32 [%d2], %f0; ret; }"""
)

REDUCTION = (
    HEAD
    + """.visible .entry reduction(.param .u64 x, .param .u64 sums, .param .u32 n) {
.reg .b32 %r<16>; .reg .b64 %d<8>; .reg .f32 %f<8>; .reg .pred %p; .shared .align 4 .b8 s[1024];
"""
    + INDEX
    + """
ld.param.u64 %d0, [x]; ld.param.u64 %d1, [sums]; ld.param.u32 %r4, [n]; mov.u32 %r5, %nctaid.x; mul.lo.u32 %r5, %r5, %r1;
mov.f32 %f0, 0f00000000; setp.ge.u32 %p, %r3, %r4; @%p bra STORE;
LOOP: mul.wide.u32 %d2, %r3, 4; add.s64 %d3, %d0, %d2; ld.global.f32 %f1, [%d3]; add.f32 %f0, %f0, %f1;
add.u32 %r3, %r3, %r5; setp.lt.u32 %p, %r3, %r4; @%p bra LOOP;
STORE: mov.u32 %r6, s; shl.b32 %r7, %r2, 2; add.u32 %r8, %r6, %r7; st.shared.f32 [%r8], %f0; bar.sync 0; mov.u32 %r9, 128;
TREE: setp.ge.u32 %p, %r2, %r9; @%p bra NEXT;
shl.b32 %r10, %r9, 2; add.u32 %r11, %r8, %r10; ld.shared.f32 %f1, [%r11]; ld.shared.f32 %f2, [%r8]; add.f32 %f3, %f1, %f2;
st.shared.f32 [%r8], %f3;
NEXT: bar.sync 0; shr.u32 %r9, %r9, 1; setp.ne.u32 %p, %r9, 0; @%p bra TREE;
setp.ne.u32 %p, %r2, 0; @%p bra DONE; ld.shared.f32 %f1, [%r8]; mul.wide.u32 %d4, %r0, 4;
add.s64 %d5, %d1, %d4; st.global.f32 [%d5], %f1;
DONE: ret; }"""
)

MANDELBROT = (
    HEAD
    + """.visible .entry mandelbrot(.param .u64 out, .param .u32 width, .param .u32 most) {
.reg .b32 %r<16>; .reg .b64 %d<4>; .reg .f32 %f<16>; .reg .pred %p;
"""
    + INDEX
    + """
ld.param.u64 %d0, [out]; ld.param.u32 %r4, [width]; ld.param.u32 %r5, [most]; mov.u32 %r6, %ctaid.y;
cvt.rn.f32.u32 %f0, %r3; cvt.rn.f32.u32 %f1, %r6; cvt.rn.f32.u32 %f2, %r4; div.rn.f32 %f3, 0f40400000, %f2;
fma.rn.f32 %f4, %f0, %f3, 0fC0000000; fma.rn.f32 %f5, %f1, %f3, 0fBFC00000;
mov.f32 %f6, 0f00000000; mov.f32 %f7, 0f00000000; mov.u32 %r7, 0;
LOOP: mul.f32 %f8, %f6, %f6; mul.f32 %f9, %f7, %f7; add.f32 %f10, %f8, %f9; setp.gt.f32 %p, %f10, 0f40800000; @%p bra DONE;
add.f32 %f11, %f6, %f6; fma.rn.f32 %f7, %f11, %f7, %f5; sub.f32 %f12, %f8, %f9; add.f32 %f6, %f12, %f4;
add.u32 %r7, %r7, 1; setp.lt.u32 %p, %r7, %r5; @%p bra LOOP;
DONE: mad.lo.u32 %r8, %r6, %r4, %r3; mul.wide.u32 %d1, %r8, 4; add.s64 %d2, %d0, %d1; st.global.u32 [%d2], %r7; ret; }"""
)
