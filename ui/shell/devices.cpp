// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/devices.h"

#include <memory>

#include <QCoreApplication>
#include <QPointer>
#include <QThreadPool>

#include "core/desk/runs/devices.h"

namespace pl::ui {

void askDevices(QObject* owner, std::function<void(const std::vector<Device>&)> done) {
    QThreadPool::globalInstance()->start([owner = QPointer<QObject>(owner), app = QCoreApplication::instance(), done = std::move(done)] {
        auto found = std::make_shared<std::vector<Device>>(desk::devicesHere());
        QMetaObject::invokeMethod(
            app,
            [owner, done, found] {
                if (owner)
                    done(*found);
            },
            Qt::QueuedConnection);
    });
}

} // namespace pl::ui
