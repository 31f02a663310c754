// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/base/result.h"

/// Fails the test with the error's text.
#define PL_GOOD(expr)                                                                                              \
    do {                                                                                                           \
        auto&& plGood_ = (expr);                                                                                   \
        QVERIFY2(plGood_.has_value(), plGood_ ? "" : plGood_.error().toString().c_str());                          \
    } while (false)

/// The expression must fail, and its message must hold the text.
#define PL_REFUSED(expr, text)                                                                                     \
    do {                                                                                                           \
        auto&& plBad_ = (expr);                                                                                    \
        QVERIFY2(!plBad_.has_value(), "was accepted: " #expr);                                                     \
        const std::string plText_ = plBad_.error().toString();                                                     \
        QVERIFY2(plText_.find(text) != std::string::npos, plText_.c_str());                                        \
    } while (false)

/// A temporary folder, as the base layer's functions want it.
class TempDir {
public:
    std::string path(const std::string& name = {}) const {
        return name.empty() ? m_dir.path().toStdString() : m_dir.filePath(QString::fromStdString(name)).toStdString();
    }
    void write(const std::string& name, std::string_view text) const {
        const auto status = pl::os::writeFileAtomic(path(name), text);
        QVERIFY2(status.has_value(), status ? "" : status.error().toString().c_str());
    }
    std::string read(const std::string& name) const { return pl::os::readFile(path(name)).value_or("<unreadable>"); }

private:
    QTemporaryDir m_dir;
};
