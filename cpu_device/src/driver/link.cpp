// cuLink*: several PTX texts become one.  What it hands out as "cubin" is PTX, which every load here takes.
#include "archive.hpp"
#include "device_runtime.hpp"
#include "image.hpp"
#include "module.hpp"

#include "../exec/handlers.hpp"
#include "../ptx/linker.hpp"
#include "../ptx/parser.hpp"

namespace {

using namespace cpu_device;

class Link : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::link;
    explicit Link(Context &context) : owner(context.shared_from_this()) {}
    const std::shared_ptr<Context> owner;
    JitOptions options;
    std::mutex lock;
    std::vector<ptx::LinkInput> inputs;
    std::string text; // the image, once it is complete
    CUresult status = CUDA_SUCCESS;
    uint32_t max_registers = 0; // of the input that is being added
    bool complete = false, has_device_runtime = false;
};

// The index of the input stands for one that has no name.
CUresult add(Link &link, const void *data, size_t size, const char *name) {
    ptx::LinkInput input;
    std::string why;
    const CUresult status = find_ptx(data, size, input.text, why);
    if (status != CUDA_SUCCESS) {
        link.options.write_logs("", why.empty() ? why : "error   : " + why + "\n");
        return status;
    }
    input.name = name && *name ? name : "input " + std::to_string(link.inputs.size() + 1);
    ptx::Module module;
    ptx::Error error;
    if (!ptx::parse(input.text, module, error)) {
        link.options.write_logs("", input.name + ":" + std::to_string(error.place.line) + ":" +
                                        std::to_string(error.place.column) + ": error: " + error.message + "\n    " +
                                        error.text + "\n");
        return CUDA_ERROR_INVALID_PTX;
    }
    if (link.max_registers) input.text = ptx::with_register_limit(input.text, link.max_registers);
    link.inputs.push_back(std::move(input));
    return CUDA_SUCCESS;
}

// Members that have no PTX define nothing here: what is needed of them is missing in the end.
CUresult add_archive(Link &link, const void *data, size_t size) {
    std::vector<ArchiveMember> members;
    if (!read_archive(data, size, members)) return CUDA_ERROR_INVALID_IMAGE;
    for (const ArchiveMember &member : members) {
        std::string ptx, why;
        CUresult status = CUDA_SUCCESS;
        if (member.name == kDeviceRuntimeMember) {
            if (!link.has_device_runtime)
                status = add(link, kDeviceRuntime, sizeof kDeviceRuntime, kDeviceRuntimeMember);
            link.has_device_runtime = true;
        } else if (find_ptx(member.data, member.size, ptx, why) == CUDA_SUCCESS) {
            status = add(link, member.data, member.size, std::string(member.name).c_str());
        }
        if (status != CUDA_SUCCESS) return status;
    }
    return CUDA_SUCCESS;
}

CUresult finish(Link &link) {
    ptx::LinkResult linked =
        ptx::link(link.inputs, [](const std::string &name) { return find_handler("system." + name) != nullptr; });
    link.complete = true;
    link.text = std::move(linked.text);
    link.options.write_logs(linked.warnings, linked.errors);
    if (linked.errors.empty()) return CUDA_SUCCESS;
    return linked.invalid ? CUDA_ERROR_INVALID_PTX : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

template <class Body> CUresult on_link(CUlinkState handle, Body &&body) {
    return call([&]() -> CUresult {
        const std::shared_ptr<Link> link = lookup<Link>(handle);
        if (!link) return CUDA_ERROR_INVALID_HANDLE;
        std::lock_guard<std::mutex> guard(link->lock);
        return body(*link);
    });
}

bool takes(CUjitInputType type) {
    return static_cast<unsigned>(type) < CU_JIT_NUM_INPUT_TYPES;
}

} // namespace

extern "C" {

CUresult cuLinkCreate_v2(unsigned n, CUjit_option *options, void **values, CUlinkState *out) {
    return in_context([&](Context &context) {
        auto link = std::make_shared<Link>(context);
        const CUresult status = out ? link->options.read(n, options, values) : CUDA_ERROR_INVALID_VALUE;
        if (status != CUDA_SUCCESS) return status;
        publish(link);
        *out = as<CUlinkState>(*link);
        context.own(std::move(link));
        return CUDA_SUCCESS;
    });
}

CUresult cuLinkAddData_v2(CUlinkState handle, CUjitInputType type, void *data, size_t size, const char *name,
                          unsigned n, CUjit_option *options, void **values) {
    return on_link(handle, [&](Link &link) {
        JitOptions own;
        const CUresult status = own.read(n, options, values);
        if (status != CUDA_SUCCESS) return status;
        if (link.complete || !data || !size || !takes(type)) return CUDA_ERROR_INVALID_VALUE;
        if (type == CU_JIT_INPUT_NVVM || link.options.lto() || own.lto()) {
            link.options.write_logs("", "error   : LTO is not supported by the CPU device: compile to PTX\n");
            return CUDA_ERROR_NOT_SUPPORTED;
        }
        link.max_registers = own.max_registers() ? own.max_registers() : link.options.max_registers();
        return is_archive(data, size) ? add_archive(link, data, size) : add(link, data, size, name);
    });
}

CUresult cuLinkAddFile_v2(CUlinkState handle, CUjitInputType type, const char *path, unsigned n, CUjit_option *options,
                          void **values) {
    return call([&] {
        std::string bytes;
        const CUresult status = read_file(path, bytes);
        return status == CUDA_SUCCESS
                   ? cuLinkAddData_v2(handle, type, bytes.data(), bytes.size(), path, n, options, values)
                   : status;
    });
}

CUresult cuLinkComplete(CUlinkState handle, void **image, size_t *size) {
    return on_link(handle, [&](Link &link) {
        if (!image) return CUDA_ERROR_INVALID_VALUE;
        if (link.inputs.empty()) return CUDA_ERROR_INVALID_IMAGE;
        if (!link.complete) link.status = finish(link);
        if (link.status != CUDA_SUCCESS) return link.status;
        *image = link.text.data();
        if (size) *size = link.text.size() + 1;
        return CUDA_SUCCESS;
    });
}

CUresult cuLinkDestroy(CUlinkState handle) {
    return call([&] {
        const std::shared_ptr<Link> link = retire<Link>(handle);
        if (!link) return CUDA_ERROR_INVALID_HANDLE;
        link->owner->disown(*link);
        return CUDA_SUCCESS;
    });
}
}
