// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

/// Large numbers in few letters, the same in the window and on the command line.
namespace pl {

/// "1.3 M", "7.2 B", "512".
std::string shortCount(double value);
/// "5.1 MB", of a thousand KB each.
std::string byteText(double bytes);

} // namespace pl
