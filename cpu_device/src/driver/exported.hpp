// What leaves the library: everything else is hidden (-fvisibility=hidden, and exports.map).
#pragma once

#define EXPORTED __attribute__((visibility("default")))
// A definition that one in another file replaces.
#define WEAK EXPORTED __attribute__((weak))
