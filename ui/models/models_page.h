// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/shell/context.h"

namespace pl::ui {

/// Models: models and checkpoints left, what the chosen one is right. Argument: a model ("start", "run:42@400").
PageFactory modelsPage();

} // namespace pl::ui
