// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/annotator.h"

#include <QVariant>

namespace pl::ui {

namespace {
constexpr const char* kProperty = "annotator_mode"; // of the project's signals: every page has them
} // namespace

bool annotatorMode(const Context& context) {
    return context.signals.property(kProperty).toBool();
}

bool isAnnotatorPage(QStringView page) {
    return page == page::kLabel || page == page::kData || page == page::kSettings;
}

void setAnnotatorMode(Signals& signals, bool on) {
    signals.setProperty(kProperty, on);
}

} // namespace pl::ui
