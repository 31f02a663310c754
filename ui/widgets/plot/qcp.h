// SPDX-License-Identifier: GPL-3.0-or-later
// QCustomPlot 2.1 uses Qt's lower case keywords, which this program is built without.
#pragma once

#include <QtCore/qobjectdefs.h>

#define signals Q_SIGNALS
#define slots Q_SLOTS
#define foreach Q_FOREACH
#include <qcustomplot.h>
#undef signals
#undef slots
#undef foreach
