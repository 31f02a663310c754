// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/shell/context.h"

namespace pl::ui {

/// Generate: one sentence that is a form, what it will cost, the first answers as they come. Argument: a model ("run:42").
PageFactory generatePage();

} // namespace pl::ui
