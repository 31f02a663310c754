// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/shell/context.h"

namespace pl::ui {

/// Samples: the same prompts over the steps of a run. Argument: a run's name, or "NAME@STEP".
PageFactory samplesPage();
/// Playground: type a prompt; start and trained model side by side; send the pair to the queue. Argument: a model ("run:42").
PageFactory playgroundPage();

} // namespace pl::ui
