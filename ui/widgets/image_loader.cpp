// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/image_loader.h"

#include <algorithm>

#include <QFile>
#include <QFileInfo>

#include "core/base/image_file.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kThreads = 2;
constexpr qsizetype kWaiting = 256;
constexpr int kSmallestLevel = 512;
constexpr qint64 kEntryCost = 256; ///< of a key and a failure

/// What an unwanted file is, as far as its first bytes say.
QString foreign(const QByteArray& bytes) {
    const QByteArray head = bytes.left(512).trimmed().toLower();
    if (head.startsWith("gif8"))
        return u"a GIF"_s;
    if (head.contains("<svg"))
        return u"an SVG drawing"_s;
    if (head.startsWith("<"))
        return u"a web page or XML"_s;
    if (head.startsWith("bm"))
        return u"a BMP"_s;
    return {};
}

QImage imageOf(const Picture& picture) {
    const QImage whole(picture.rgba.data(), picture.width, picture.height, qsizetype{4} * picture.width,
                       picture.transparent ? QImage::Format_RGBA8888 : QImage::Format_RGBX8888);
    return whole.convertToFormat(picture.transparent ? QImage::Format_ARGB32_Premultiplied : QImage::Format_RGB32);
}

LoadedImage broken(const QString& why) {
    LoadedImage out;
    out.problem = why;
    return out;
}

qint64 memoryOf(const QSize& size) {
    const qint64 whole = qint64{size.width()} * size.height() * 4;
    return std::max(size.width(), size.height()) > kSmallestLevel ? whole * 4 / 3 : whole;
}

} // namespace

qint64 LoadedImage::bytes() const {
    qint64 sum = kEntryCost + image.sizeInBytes();
    for (const QImage& each : smaller)
        sum += each.sizeInBytes();
    return sum;
}

const QImage& LoadedImage::level(double scale) const {
    qsizetype i = -1;
    while (scale <= 0.5 && i + 1 < smaller.size()) {
        ++i;
        scale *= 2;
    }
    return i < 0 ? image : smaller[i];
}

LoadedImage decodeImage(const QByteArray& bytes, int side, const ImageLimits& limits, qint64 keep) {
    const std::string_view view(bytes.constData(), static_cast<size_t>(bytes.size()));
    if (keep > 0)
        if (const auto info = inspectImage(view, "the file");
            info && memoryOf(QSize(static_cast<int>(info->width), static_cast<int>(info->height))) > keep) {
            LoadedImage out;
            out.skipped = true;
            return out;
        }
    // A JPEG's decoder can leave out detail; twice the side leaves some to smooth.
    const auto picture = decodePicture(view, "the file", limits, 2 * side);
    if (!picture) {
        const QString what = picture.error().code == Code::Unsupported ? foreign(bytes) : QString();
        return broken(what.isEmpty() ? QString::fromStdString(picture.error().message)
                                     : u"it is %1; PNG, JPEG and WebP images are shown"_s.arg(what));
    }
    LoadedImage out;
    out.size = QSize(picture->fileWidth, picture->fileHeight);
    out.image = imageOf(*picture);
    if (out.image.isNull())
        return broken(u"it needs more memory than there is"_s);
    if (side > 0 && std::max(out.image.width(), out.image.height()) > side)
        out.image = out.image.scaled(QSize(side, side), Qt::KeepAspectRatio, Qt::SmoothTransformation);
    if (side == 0)
        for (const QImage* last = &out.image; std::max(last->width(), last->height()) > kSmallestLevel;
             last = &out.smaller.last())
            out.smaller.append(last->scaled(std::max(1, last->width() / 2), std::max(1, last->height() / 2),
                                            Qt::IgnoreAspectRatio, Qt::SmoothTransformation));
    return out;
}

LoadedImage readImage(const QString& path, int side, const ImageLimits& limits, qint64 keep) {
    const QFileInfo info(path);
    if (path.isEmpty())
        return broken(u"there is no image file"_s);
    if (!info.exists())
        return broken(u"the file is missing"_s);
    if (!info.isFile())
        return broken(u"it is not a file"_s);
    if (static_cast<uint64_t>(info.size()) > limits.maxBytes)
        return broken(u"the file has %1 MB: at most %2"_s.arg(info.size() >> 20).arg(limits.maxBytes >> 20));
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly))
        return broken(u"the file cannot be opened: %1"_s.arg(file.errorString()));
    const QByteArray bytes = file.readAll();
    if (file.error() != QFileDevice::NoError)
        return broken(u"the file cannot be read: %1"_s.arg(file.errorString()));
    return decodeImage(bytes, side, limits, keep);
}

// --- loader ------------------------------------------------------------------------------------------------------------

ImageLoader::ImageLoader(QObject* parent, qint64 cacheBytes) : QObject(parent), m_cacheBytes(cacheBytes) {
    m_pool.setMaxThreadCount(kThreads);
}

ImageLoader::~ImageLoader() {
    m_pool.clear();
    m_pool.waitForDone();
}

ImagePtr ImageLoader::cached(const QString& path, int side) const {
    const auto it = m_entries.constFind({path, side});
    return it == m_entries.constEnd() ? nullptr : it->image;
}

ImagePtr ImageLoader::get(const QString& path, int side) {
    const Key key{path, side};
    if (ImagePtr image = cached(path, side)) {
        touch(key);
        return image;
    }
    if (m_inFlight.contains(key))
        m_asked.insert(key);
    else if (!m_urgent.contains(key))
        m_urgent.append(key);
    if (m_urgent.size() > kWaiting)
        m_urgent.removeFirst(); // scrolled past by now; whoever still needs it asks again
    pump();
    return nullptr;
}

void ImageLoader::prefetch(const QStringList& paths) {
    m_wishes = paths;
    // The nearest is the last to be dropped.
    for (auto it = paths.rbegin(); it != paths.rend(); ++it)
        touch({*it, 0});
    pump();
}

void ImageLoader::forgetFailures() {
    QList<Key> failed;
    for (auto it = m_entries.constBegin(); it != m_entries.constEnd(); ++it)
        if (!it->image->ok())
            failed.append(it.key());
    for (const Key& key : failed)
        drop(key);
    m_large.clear();
}

bool ImageLoader::wishFits(const QString& path) const {
    // What was wished for nearer must not be dropped for what comes later.
    qint64 ahead = 0;
    for (const QString& each : m_wishes) {
        if (each == path)
            break;
        if (const ImagePtr image = cached(each))
            ahead += image->bytes();
    }
    return ahead < m_cacheBytes * 2 / 3;
}

void ImageLoader::pump() {
    while (m_running < kThreads && !m_urgent.isEmpty())
        start(m_urgent.takeFirst(), 0);
    for (const QString& path : m_wishes) {
        if (m_running >= kThreads)
            return;
        const Key key{path, 0};
        if (m_entries.contains(key) || m_inFlight.contains(key) || m_large.contains(path))
            continue;
        if (!wishFits(path))
            return;
        start(key, m_cacheBytes / 6);
    }
}

void ImageLoader::start(const Key& key, qint64 keep) {
    if (m_inFlight.contains(key))
        return;
    m_inFlight.insert(key);
    if (keep == 0)
        m_asked.insert(key);
    ++m_running;
    m_pool.start([this, key, keep, limits = m_limits] {
        auto image = std::make_shared<const LoadedImage>(readImage(key.path, key.side, limits, keep));
        // The destructor waits for this thread, so `this` lives; what is posted to a dead object is dropped.
        QMetaObject::invokeMethod(this, [this, key, image] { finished(key, image); }, Qt::QueuedConnection);
    });
}

void ImageLoader::finished(const Key& key, const ImagePtr& image) {
    --m_running;
    ++m_decoded;
    m_inFlight.remove(key);
    const bool asked = m_asked.remove(key);
    if (image->skipped) {
        m_large.insert(key.path);
        if (asked)
            m_urgent.append(key); // somebody waits for it by now: whole, past the cache
    } else {
        insert(key, image);
        if (asked)
            Q_EMIT loaded(key.path, key.side, image);
    }
    pump();
}

void ImageLoader::touch(const Key& key) {
    const auto it = m_entries.find(key);
    if (it != m_entries.end())
        m_order.splice(m_order.end(), m_order, it->place);
}

void ImageLoader::insert(const Key& key, const ImagePtr& image) {
    drop(key);
    if (image->bytes() > m_cacheBytes)
        return; // shown by whoever asked, never kept
    m_order.push_back(key);
    m_entries.insert(key, {image, std::prev(m_order.end())});
    m_bytes += image->bytes();
    while (m_bytes > m_cacheBytes)
        drop(Key(m_order.front()));
}

void ImageLoader::drop(const Key& key) {
    const auto it = m_entries.find(key);
    if (it == m_entries.end())
        return;
    m_bytes -= it->image->bytes();
    m_order.erase(it->place);
    m_entries.erase(it);
}

} // namespace pl::ui
