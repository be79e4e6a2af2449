"""NVVM IR for tests, as for architectures whose LLVM is 7: pointers have types.

https://docs.nvidia.com/cuda/nvvm-ir-spec/index.html
"""

from __future__ import annotations

LAYOUT = (
    "e-p:64:64:64-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-i128:128:128-f32:32:32-f64:64:64-v16:16:16-v32:32:32-"
    "v64:64:64-v128:128:128-n16:32:64"
)
HEAD = f'target datalayout = "{LAYOUT}"\ntarget triple = "nvptx64-nvidia-cuda"\n'
VERSION = "!nvvmir.version = !{!0}\n!0 = !{i32 2, i32 0}\n"


def kernel(name: str = "add", term: str = "%by", more: str = "") -> str:
    """A kernel (float *x, float by): x[threadIdx.x] += term, which is computed from %by by the lines `more`."""
    return f"""{HEAD}
define void @{name}(float* %x, float %by) {{
  %i = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %at = getelementptr inbounds float, float* %x, i32 %i
  %old = load float, float* %at
  {more}
  %new = fadd float %old, {term}
  store float %new, float* %at
  ret void
}}
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare float @twice(float)
declare float @__nv_cbrtf(float)
@llvm.used = appending global [1 x i8*] [i8* bitcast (void (float*, float)* @{name} to i8*)], section "llvm.metadata"
!nvvm.annotations = !{{!1}}
!1 = !{{void (float*, float)* @{name}, !"kernel", i32 1}}
{VERSION}"""


TWICE = f"{HEAD}define float @twice(float %a) {{\n  %b = fadd float %a, %a\n  ret float %b\n}}\n{VERSION}"
