// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "core/base/result.h"

namespace pl::ui {

/// Charts of a project's runs as pictures, without a window (a QApplication, offscreen will do, must exist): <run>.png, the fixed
/// 2 x 3 grid of every run that trained, with its verdict above; overview.png, the newest of them together; curves/<run>.csv,
/// every raw point. Made in the light theme, twice the size. Folders are created; files of the same names replaced.
Status writeReport(const std::string& projectDir, const std::string& outDir);

} // namespace pl::ui
