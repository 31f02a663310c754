// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/preferences.h"

#include <algorithm>

#include <QApplication>
#include <QFileInfo>
#include <QSettings>

#include "core/base/os/files.h"
#include "core/desk/store/project.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kRecent = 8;

QString ownFile() {
    return QString::fromStdString(os::joinPath(os::userConfigDir(), "pairlab.ini"));
}
} // namespace

Preferences::Preferences(const QString& file)
    : m_settings(std::make_unique<QSettings>(file.isEmpty() ? ownFile() : file, QSettings::IniFormat)) {}
Preferences::~Preferences() = default;

ThemeMode Preferences::theme() const {
    const QString name = m_settings->value(u"theme"_s).toString();
    return name == u"light" ? ThemeMode::Light : name == u"dark" ? ThemeMode::Dark : ThemeMode::System;
}
int Preferences::readingPx() const {
    return std::clamp(m_settings->value(u"reading_px"_s, 15).toInt(), 12, 20);
}
bool Preferences::reducedMotion() const {
    return m_settings->value(u"reduced_motion"_s, false).toBool();
}
void Preferences::setTheme(ThemeMode mode) {
    m_settings->setValue(u"theme"_s, mode == ThemeMode::Light  ? u"light"_s
                                     : mode == ThemeMode::Dark ? u"dark"_s
                                                               : u"system"_s);
}
void Preferences::setReadingPx(int px) {
    m_settings->setValue(u"reading_px"_s, std::clamp(px, 12, 20));
}
void Preferences::setReducedMotion(bool reduced) {
    m_settings->setValue(u"reduced_motion"_s, reduced);
}

void Preferences::apply() const {
    ui::setReducedMotion(reducedMotion());
    applyTheme(*static_cast<QApplication*>(QCoreApplication::instance()), theme(), readingPx());
}

QStringList Preferences::recentProjects() const {
    QStringList kept;
    for (const QString& dir : m_settings->value(u"recent"_s).toStringList())
        if (desk::Project::isProject(dir.toStdString()))
            kept.append(dir);
    return kept;
}
void Preferences::addRecentProject(const QString& dir) {
    QStringList all = m_settings->value(u"recent"_s).toStringList();
    const QString path = QFileInfo(dir).absoluteFilePath();
    all.removeAll(path);
    all.prepend(path);
    m_settings->setValue(u"recent"_s, all.mid(0, kRecent));
}

QByteArray Preferences::geometry() const {
    return m_settings->value(u"geometry"_s).toByteArray();
}
void Preferences::setGeometry(const QByteArray& geometry) {
    m_settings->setValue(u"geometry"_s, geometry);
}

QString Preferences::personName() const {
    const QString saved = m_settings->value(u"person"_s).toString().trimmed();
    if (!saved.isEmpty())
        return saved;
    const QString login = QString::fromLocal8Bit(qgetenv("USER"));
    return login.isEmpty() ? u"me"_s : login;
}
void Preferences::setPersonName(const QString& name) {
    m_settings->setValue(u"person"_s, name.trimmed());
}
QHash<QString, QString> Preferences::keySet(const QString& group) const {
    QHash<QString, QString> out;
    m_settings->beginGroup(group);
    for (const QString& action : m_settings->childKeys())
        out.insert(action, m_settings->value(action).toString());
    m_settings->endGroup();
    return out;
}
void Preferences::setKeySet(const QString& group, const QHash<QString, QString>& keys) {
    m_settings->remove(group);
    for (auto it = keys.begin(); it != keys.end(); ++it)
        m_settings->setValue(group + u'/' + it.key(), it.value());
}
QHash<QString, QString> Preferences::keys() const {
    return keySet(u"keys"_s);
}
void Preferences::setKeys(const QHash<QString, QString>& keys) {
    setKeySet(u"keys"_s, keys);
}
QHash<QString, QString> Preferences::ownKeys() const {
    return keySet(u"own_keys"_s);
}
void Preferences::setOwnKeys(const QHash<QString, QString>& keys) {
    setKeySet(u"own_keys"_s, keys);
}
QString Preferences::file() const {
    return m_settings->fileName();
}

} // namespace pl::ui
