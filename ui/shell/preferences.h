// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>

#include <QByteArray>
#include <QHash>
#include <QString>
#include <QStringList>

#include "ui/theme/theme.h"

class QSettings;

namespace pl::ui {

/// What belongs to the person, not to a project: kept in pairlab.ini of the user's configuration folder (or another file).
class Preferences {
public:
    /// Empty: the user's own file.
    explicit Preferences(const QString& file = {});
    ~Preferences();

    ThemeMode theme() const;
    int readingPx() const;
    bool reducedMotion() const;
    void setTheme(ThemeMode mode);
    void setReadingPx(int px); ///< held to 12..20
    void setReducedMotion(bool reduced);
    /// Sets theme, text size and motion of the application.
    void apply() const;

    /// Projects opened before, newest first, at most eight; those that are gone are left out.
    QStringList recentProjects() const;
    void addRecentProject(const QString& dir);
    QByteArray geometry() const;
    void setGeometry(const QByteArray& geometry);
    /// How the person is called in new projects; the login name at first.
    QString personName() const;
    void setPersonName(const QString& name);
    /// Keys of the Label page that differ from those the program comes with: action -> key in words (KeyMap knows both).
    QHash<QString, QString> keys() const;
    void setKeys(const QHash<QString, QString>& keys);
    /// The person's own set of the same form, kept while one that the program comes with is in use.
    QHash<QString, QString> ownKeys() const;
    void setOwnKeys(const QHash<QString, QString>& keys);
    QString file() const;

private:
    QHash<QString, QString> keySet(const QString& group) const;
    void setKeySet(const QString& group, const QHash<QString, QString>& keys);
    std::unique_ptr<QSettings> m_settings;
};

} // namespace pl::ui
