// The NUMA nodes of the host.
#pragma once

#include <string>
#include <sys/stat.h>

namespace cpu_device {

inline bool is_node(int node) {
    struct stat facts;
    const std::string path = "/sys/devices/system/node/node" + std::to_string(node);
    return node == 0 || (node > 0 && stat(path.c_str(), &facts) == 0);
}

} // namespace cpu_device
