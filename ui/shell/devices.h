// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <vector>

#include <QObject>

#include "core/base/devices.h"

namespace pl::ui {

/// Asks for this machine's devices on a thread of its own (desk::devicesHere), and gives them to `done` on the GUI thread, unless
/// `owner` is gone by then.
void askDevices(QObject* owner, std::function<void(const std::vector<Device>&)> done);

} // namespace pl::ui
