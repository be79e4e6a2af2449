// cuLink*: several PTX texts become one.  What it hands out as "cubin" is PTX, which every load here takes.
#include "archive.hpp"
#include "device_runtime.hpp"
#include "image.hpp"
#include "module.hpp"

#include "../ptx/parser.hpp"

#include <cstdlib>

namespace {

using namespace cpu_device;

class Link : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::link;
    explicit Link(Context &context) : owner(context.shared_from_this()) {}
    const std::shared_ptr<Context> owner;
    JitOptions options;
    std::mutex lock;
    std::string text; // of everything added, NUL-terminated as every string is
    double version = 0;
    std::string target;
    bool complete = false, has_device_runtime = false;
};

// Takes the line that begins with `directive` out of the text; what follows the directive.
std::string take_line(std::string &ptx, const std::string &directive) {
    size_t at = 0;
    while ((at = ptx.find(directive, at)) != std::string::npos && at && ptx[at - 1] != '\n') at++;
    if (at == std::string::npos) return "";
    const size_t end = std::min(ptx.find('\n', at), ptx.size());
    std::string rest = ptx.substr(at + directive.size(), end - at - directive.size());
    ptx.replace(at, end - at, std::string());
    return rest.substr(std::min(rest.find_first_not_of(" \t"), rest.size()));
}

int architecture(const std::string &target) {
    return target.size() > 3 ? std::atoi(target.c_str() + 3) : 0;
}

CUresult add(Link &link, const void *data, size_t size) {
    std::string ptx, why;
    const CUresult status = find_ptx(data, size, ptx, why);
    if (status != CUDA_SUCCESS) {
        link.options.write_logs("", why);
        return status;
    }
    const double version = std::strtod(take_line(ptx, ".version").c_str(), nullptr);
    const std::string target = take_line(ptx, ".target");
    take_line(ptx, ".address_size");
    link.version = std::max(link.version, version);
    if (architecture(target) >= architecture(link.target)) link.target = target;
    link.text += ptx + "\n";
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
            if (!link.has_device_runtime) status = add(link, kDeviceRuntime, sizeof kDeviceRuntime);
            link.has_device_runtime = true;
        } else if (find_ptx(member.data, member.size, ptx, why) == CUDA_SUCCESS) {
            status = add(link, member.data, member.size);
        }
        if (status != CUDA_SUCCESS) return status;
    }
    return CUDA_SUCCESS;
}

CUresult finish(Link &link) {
    ptx::Module module;
    ptx::Error error;
    const std::string number = std::to_string(static_cast<int>(link.version * 10 + 0.5));
    const std::string version = number.substr(0, number.size() - 1) + "." + number.back();
    link.text = ".version " + version + "\n.target " + link.target + "\n.address_size 64\n" + link.text;
    link.complete = true;
    if (ptx::parse(link.text, module, error)) return CUDA_SUCCESS;
    link.options.write_logs("", "ptx:" + std::to_string(error.place.line) + ":" + std::to_string(error.place.column) +
                                    ": error: " + error.message + "\n" + error.text + "\n");
    return CUDA_ERROR_INVALID_PTX;
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
    return static_cast<unsigned>(type) <= CU_JIT_INPUT_LIBRARY;
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

CUresult cuLinkAddData_v2(CUlinkState handle, CUjitInputType type, void *data, size_t size, const char *, unsigned n,
                          CUjit_option *options, void **values) {
    return on_link(handle, [&](Link &link) {
        JitOptions own;
        const CUresult status = own.read(n, options, values);
        if (status != CUDA_SUCCESS) return status;
        if (link.complete || !data || !size || !takes(type)) return CUDA_ERROR_INVALID_VALUE;
        return is_archive(data, size) ? add_archive(link, data, size) : add(link, data, size);
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
        if (link.text.empty()) return CUDA_ERROR_INVALID_IMAGE;
        const CUresult status = link.complete ? CUDA_SUCCESS : finish(link);
        *image = link.text.data();
        if (size) *size = link.text.size() + 1;
        return status;
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
