// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/shell/context.h"

namespace pl::ui {

/// Train: methods left, their few basic fields in the middle, "Before you start" right. Argument: a plugin's id, or
/// "model:TEXT" to start from that model.
PageFactory trainPage();

} // namespace pl::ui
