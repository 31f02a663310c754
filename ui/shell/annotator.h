// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/shell/context.h"

namespace pl::ui {

/// The project was made of a package: the window shows Label, the person's own votes and Settings, and nothing of models or runs.
bool annotatorMode(const Context& context);
/// Whether a page belongs to that.
bool isAnnotatorPage(QStringView page);
/// Set once by the workspace.
void setAnnotatorMode(Signals& signals, bool on);

} // namespace pl::ui
