// SPDX-License-Identifier: Apache-2.0
// PyTorch's wheel ships the headers of a newer fmt, and they come before the system's: what they expect in a library
// (vformat and a few others) is compiled here. Without such headers this is the system's own code once more.
#include <fmt/format-inl.h>
