// SPDX-License-Identifier: GPL-3.0-or-later
// Untrusted image files, read off the GUI thread.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>

#include <QByteArray>
#include <QHash>
#include <QImage>
#include <QList>
#include <QObject>
#include <QSet>
#include <QSize>
#include <QString>
#include <QStringList>
#include <QThreadPool>

#include "core/base/image.h"

namespace pl::ui {

/// A picture as it is shown, by the decoder that training reads it with (core/base/image_file.h); or why it is not.
struct LoadedImage {
    QImage image;          ///< RGB32, or ARGB32_Premultiplied where it has transparent parts; null with a problem
    QList<QImage> smaller; ///< halves of a large one, each of half the size before it, for small scales
    QSize size;            ///< of the file's picture, upright; a thumbnail's image is smaller
    QString problem;       ///< empty: sound
    bool skipped = false;  ///< left alone because it would not fit into the cache (decode-ahead only)

    qint64 bytes() const;
    bool ok() const { return problem.isEmpty() && !image.isNull(); }
    /// The smallest level that still has a pixel for every pixel drawn at this scale (drawn / file's pixels).
    const QImage& level(double scale) const;
};
using ImagePtr = std::shared_ptr<const LoadedImage>;

/// PNG, JPEG or WebP by content, whatever the name; nothing that moves, nothing that loads or runs anything (SVG).
/// side > 0: a thumbnail whose longer side is at most that. keep > 0: bytes it may take, else `skipped`.
LoadedImage decodeImage(const QByteArray& bytes, int side = 0, const ImageLimits& limits = {}, qint64 keep = 0);
/// The same from a file; only regular ones.
LoadedImage readImage(const QString& path, int side = 0, const ImageLimits& limits = {}, qint64 keep = 0);

/// Reads pictures on its own threads and keeps those last used, bounded in bytes. For the GUI thread.
class ImageLoader : public QObject {
    Q_OBJECT
public:
    explicit ImageLoader(QObject* parent = nullptr, qint64 cacheBytes = qint64{192} << 20);
    ~ImageLoader() override;

    /// What is in the cache, failures too; else null, and loaded() comes.
    ImagePtr get(const QString& path, int side = 0);
    /// Only a look: nothing is read.
    ImagePtr cached(const QString& path, int side = 0) const;
    /// Decode ahead, nearest first, as far as the cache goes. Takes the place of the wish before.
    void prefetch(const QStringList& paths);
    /// Files that could not be read are tried again when they are next asked for.
    void forgetFailures();

    void setLimits(const ImageLimits& limits) { m_limits = limits; }
    qint64 cacheBytes() const { return m_cacheBytes; }
    qint64 bytes() const { return m_bytes; } ///< in the cache now, never over cacheBytes()
    qsizetype count() const { return m_entries.size(); }
    bool isIdle() const { return m_running == 0 && m_urgent.isEmpty(); }
    qint64 decoded() const { return m_decoded; } ///< files read so far

Q_SIGNALS:
    void loaded(const QString& path, int side, const pl::ui::ImagePtr& image);

private:
    struct Key {
        QString path;
        int side = 0;
        bool operator==(const Key&) const = default;
    };
    friend size_t qHash(const Key& key, size_t seed) { return qHashMulti(seed, key.path, key.side); }
    struct Entry {
        ImagePtr image;
        std::list<Key>::iterator place;
    };
    void pump();
    bool wishFits(const QString& path) const;
    void start(const Key& key, qint64 keep);
    void finished(const Key& key, const ImagePtr& image);
    void touch(const Key& key);
    void insert(const Key& key, const ImagePtr& image);
    void drop(const Key& key);

    ImageLimits m_limits;
    qint64 m_cacheBytes, m_bytes = 0, m_decoded = 0;
    QHash<Key, Entry> m_entries;
    std::list<Key> m_order; ///< least recently used first
    QList<Key> m_urgent;
    QStringList m_wishes;
    QSet<Key> m_inFlight, m_asked; ///< asked: a wish on its way that somebody waits for by now
    QSet<QString> m_large;         ///< too large to decode ahead
    int m_running = 0;
    QThreadPool m_pool;
};

} // namespace pl::ui
