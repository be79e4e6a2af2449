// The device runtime that programs link with (cudadevrt): the vendor's is machine code, this is what of it runs here, in PTX.
#pragma once

namespace cpu_device {

constexpr char kDeviceRuntimeMember[] = "cuda_device_runtime.o"; // of the vendor's archive

// A grid's handle is the address of its barrier, which only a cooperative launch has.  The barrier counts arrivals of CTAs and never
// goes back: a CTA waits until all CTAs have come as often as it has.
constexpr char kDeviceRuntime[] = R"(.version 6.0
.target sm_60
.address_size 64

.visible .func (.param .b64 handle) cudaCGGetIntrinsicHandle(.param .b32 scope)
{
    .reg .pred %grid;
    .reg .b32 %scope, %high, %low;
    .reg .b64 %handle;
    ld.param.b32 %scope, [scope];
    setp.eq.u32 %grid, %scope, 1;
    mov.b32 %high, %envreg1;
    mov.b32 %low, %envreg2;
    mov.b64 %handle, {%low, %high};
    selp.b64 %handle, %handle, 0, %grid;
    st.param.b64 [handle], %handle;
    ret;
}

.visible .func (.param .b32 status) cudaCGSynchronize(.param .b64 handle, .param .b32 flags)
{
    .reg .pred %none, %other, %wait;
    .reg .b32 %x, %y, %z;
    .reg .b64 %barrier, %ctas, %n, %seen, %goal;
    ld.param.b64 %barrier, [handle];
    setp.eq.u64 %none, %barrier, 0;
    @%none bra INVALID;
    bar.sync 0;
    mov.u32 %x, %tid.x;
    mov.u32 %y, %tid.y;
    mov.u32 %z, %tid.z;
    or.b32 %x, %x, %y;
    or.b32 %x, %x, %z;
    setp.ne.u32 %other, %x, 0;
    @%other bra TOGETHER;
    mov.u32 %x, %nctaid.x;
    mov.u32 %y, %nctaid.y;
    mov.u32 %z, %nctaid.z;
    mul.wide.u32 %ctas, %x, %y;
    cvt.u64.u32 %n, %z;
    mul.lo.u64 %ctas, %ctas, %n;
    membar.gl;
    atom.add.u64 %n, [%barrier+128], 1;
    div.u64 %goal, %n, %ctas;
    add.u64 %goal, %goal, 1;
    mul.lo.u64 %goal, %goal, %ctas;
WAIT:
    ld.volatile.u64 %seen, [%barrier+128];
    setp.lt.u64 %wait, %seen, %goal;
    @%wait bra WAIT;
    membar.gl;
TOGETHER:
    bar.sync 0;
    st.param.b32 [status], 0;
    ret;
INVALID:
    st.param.b32 [status], 1;
    ret;
}
)";

} // namespace cpu_device
