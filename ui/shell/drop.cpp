// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/drop.h"

#include <QDir>
#include <QDirIterator>
#include <QFileInfo>

#include "core/base/os/files.h"
#include "core/desk/exchange/image_import.h"
#include "core/desk/store/project.h"
#include "ui/shell/context.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr uint64_t kHead = uint64_t{1} << 20;
constexpr int kMostLookedAt = 5000;

bool isImageName(const QString& name) {
    static const QStringList extensions{u".png"_s, u".jpg"_s, u".jpeg"_s, u".webp"_s};
    return std::any_of(extensions.begin(), extensions.end(),
                       [&](const QString& each) { return name.endsWith(each, Qt::CaseInsensitive); });
}

/// One JSON array must be read whole to be understood, lines and tables need only their beginning.
bool hasImageRows(const QString& path) {
    auto text = os::readFrom(sstr(path), 0, kHead);
    if (!text || text->empty())
        return false;
    const size_t first = text->find_first_not_of(" \t\r\n\xef\xbb\xbf");
    const bool packed = text->rfind("\x1f\x8b", 0) == 0;
    if (packed || (first != std::string::npos && (*text)[first] == '[' && text->size() == kHead))
        text = desk::readMaybeGzip(sstr(path), desk::ImportOptions().maxBytes);
    return text && desk::isImageFormat(desk::detectImages(*text));
}

/// The one file of image rows directly in a folder; empty when there is none or more than one.
QString rowsIn(const QString& folder) {
    QString found;
    const QStringList names = QDir(folder).entryList(
        {u"*.jsonl"_s, u"*.json"_s, u"*.csv"_s, u"*.jsonl.gz"_s, u"*.json.gz"_s, u"*.csv.gz"_s}, QDir::Files | QDir::NoSymLinks);
    for (const QString& name : names) {
        if (!hasImageRows(folder + u'/' + name))
            continue;
        if (!found.isEmpty())
            return {};
        found = folder + u'/' + name;
    }
    return found;
}

bool holdsImages(const QString& folder) {
    QDirIterator it(folder, QDir::Files | QDir::NoSymLinks, QDirIterator::Subdirectories);
    for (int i = 0; i < kMostLookedAt && it.hasNext(); ++i) {
        it.next();
        if (isImageName(it.fileName()))
            return true;
    }
    return false;
}
} // namespace

Drop dropOf(const QString& path) {
    const QFileInfo info(path);
    if (!info.isDir())
        return {isImageName(path) ? Drop::Kind::ImageFile : hasImageRows(path) ? Drop::Kind::Images : Drop::Kind::Rows, path};
    if (desk::Project::isProject(sstr(path)))
        return {Drop::Kind::Project, path};
    if (QFileInfo::exists(path + u"/config.json"_s))
        return {Drop::Kind::Model, path};
    if (!holdsImages(path))
        return {Drop::Kind::Model, path}; // what a model folder lacks is said where models are added
    const QString rows = rowsIn(path);
    return {Drop::Kind::Images, rows.isEmpty() ? path : rows};
}

} // namespace pl::ui
