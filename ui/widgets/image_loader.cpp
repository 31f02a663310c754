// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/image_loader.h"

#include <algorithm>
#include <cstring>

#include <QBuffer>
#include <QColorSpace>
#include <QFile>
#include <QFileInfo>
#include <QImageReader>
#include <QTransform>
#include <QtEndian>

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kThreads = 2;
constexpr qsizetype kWaiting = 256;
constexpr int kSmallestLevel = 512;
constexpr qint64 kEntryCost = 256; ///< of a key and a failure

bool startsWith(const QByteArray& bytes, const char* magic, qsizetype n, qsizetype at = 0) {
    return bytes.size() >= at + n && std::memcmp(bytes.constData() + at, magic, static_cast<size_t>(n)) == 0;
}
quint8 byteAt(const QByteArray& bytes, qsizetype at) {
    return static_cast<quint8>(bytes[at]);
}

/// "png", "jpeg", "webp" by their first bytes; empty for everything else, whatever plugins are installed.
QByteArray formatOf(const QByteArray& bytes) {
    if (startsWith(bytes, "\x89PNG\r\n\x1a\n", 8))
        return "png";
    if (startsWith(bytes, "\xff\xd8\xff", 3))
        return "jpeg";
    if (startsWith(bytes, "RIFF", 4) && startsWith(bytes, "WEBP", 4, 8))
        return "webp";
    return {};
}

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
    if (startsWith(bytes, "II*\0", 4) || startsWith(bytes, "MM\0*", 4))
        return u"a TIFF"_s;
    return {};
}

/// The chunk of a PNG or WebP, without its head; null when there is none before the pixels.
QByteArray pngChunk(const QByteArray& bytes, const char* name) {
    for (qsizetype at = 8; at + 12 <= bytes.size();) {
        const quint32 length = qFromBigEndian<quint32>(bytes.constData() + at);
        if (startsWith(bytes, name, 4, at + 4))
            return bytes.mid(at + 8, length);
        if (startsWith(bytes, "IDAT", 4, at + 4) || length > quint32(bytes.size()))
            break;
        at += 12 + qsizetype{length};
    }
    return {};
}
QByteArray webpChunk(const QByteArray& bytes, const char* name) {
    for (qsizetype at = 12; at + 8 <= bytes.size();) {
        const quint32 length = qFromLittleEndian<quint32>(bytes.constData() + at + 4);
        if (startsWith(bytes, name, 4, at))
            return bytes.mid(at + 8, length);
        if (length > quint32(bytes.size()))
            break;
        at += 8 + qsizetype{length} + (length & 1);
    }
    return {};
}

bool moves(const QByteArray& bytes, const QByteArray& format) {
    if (format == "png")
        return !pngChunk(bytes, "acTL").isNull();
    return format == "webp" && (!webpChunk(bytes, "ANIM").isNull() || !webpChunk(bytes, "ANMF").isNull());
}

/// A JPEG cut short is filled with grey by the decoder, silently: the end marker after the first scan tells.
bool jpegIsWhole(const QByteArray& bytes) {
    for (qsizetype at = 2; at + 4 <= bytes.size();) {
        if (byteAt(bytes, at) != 0xff)
            return true; // not as the standard has it: the decoder says what it thinks
        const quint8 marker = byteAt(bytes, at + 1);
        if (marker == 0xff) {
            ++at;
            continue;
        }
        if (marker == 0xda)
            return bytes.indexOf(QByteArray("\xff\xd9", 2), at) >= 0;
        at += 2 + qFromBigEndian<quint16>(bytes.constData() + at + 2);
    }
    return false;
}

/// Tag 0x0112 of the first directory; 1 when there is none.
int exifOrientation(QByteArray tiff) {
    if (tiff.startsWith(QByteArray("Exif\0\0", 6)))
        tiff.remove(0, 6);
    const bool little = startsWith(tiff, "II*\0", 4);
    if (!little && !startsWith(tiff, "MM\0*", 4))
        return 1;
    const auto u16 = [&](qsizetype at) -> int {
        if (at < 0 || at + 2 > tiff.size())
            return 0;
        return little ? qFromLittleEndian<quint16>(tiff.constData() + at) : qFromBigEndian<quint16>(tiff.constData() + at);
    };
    if (tiff.size() < 8)
        return 1;
    const quint32 offset =
        little ? qFromLittleEndian<quint32>(tiff.constData() + 4) : qFromBigEndian<quint32>(tiff.constData() + 4);
    if (offset > quint32(tiff.size()))
        return 1;
    const int entries = u16(offset);
    for (int i = 0; i < entries; ++i) {
        const qsizetype at = qsizetype{offset} + 2 + 12 * qsizetype{i};
        if (u16(at) == 0x0112) {
            const int value = u16(at + 8);
            return value >= 1 && value <= 8 ? value : 1;
        }
    }
    return 1;
}

QImage upright(const QImage& image, int orientation) {
    switch (orientation) {
    case 2: return image.mirrored(true, false);
    case 3: return image.mirrored(true, true);
    case 4: return image.mirrored(false, true);
    case 5: return image.mirrored(true, false).transformed(QTransform().rotate(-90));
    case 6: return image.transformed(QTransform().rotate(90));
    case 7: return image.mirrored(true, false).transformed(QTransform().rotate(90));
    case 8: return image.transformed(QTransform().rotate(-90));
    default: return image;
    }
}

/// 8 bits a channel in sRGB; alpha only where it is used.
QImage canonical(QImage image) {
    const QColorSpace space = image.colorSpace();
    if (space.isValid() && space != QColorSpace(QColorSpace::SRgb)) {
        // Some formats (indexed, grey) cannot be converted as they are.
        if (image.depth() <= 32)
            image.convertTo(image.hasAlphaChannel() ? QImage::Format_ARGB32 : QImage::Format_RGB32);
        image.convertToColorSpace(QColorSpace(QColorSpace::SRgb));
    }
    image.convertTo(image.hasAlphaChannel() ? QImage::Format_ARGB32_Premultiplied : QImage::Format_RGB32);
    image.setColorSpace({});
    image.setDevicePixelRatio(1);
    for (const QString& key : image.textKeys())
        image.setText(key, {});
    return image;
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

LoadedImage decodeImage(const QByteArray& bytes, int side, const ImageReadLimits& limits, qint64 keep) {
    if (bytes.isEmpty())
        return broken(u"the file is empty"_s);
    const QByteArray format = formatOf(bytes);
    if (format.isEmpty()) {
        const QString what = foreign(bytes);
        return broken(what.isEmpty() ? u"not a PNG, JPEG or WebP image"_s
                                     : u"it is %1; PNG, JPEG and WebP images are shown"_s.arg(what));
    }
    if (moves(bytes, format))
        return broken(u"it is animated: only still images are shown"_s);
    if (format == "jpeg" && !jpegIsWhole(bytes))
        return broken(u"the file ends too early"_s);
    QImageReader::setAllocationLimit(limits.allocationMb);
    QBuffer buffer;
    buffer.setData(bytes);
    buffer.open(QIODevice::ReadOnly);
    QImageReader reader(&buffer, format);
    reader.setAutoDetectImageFormat(false);
    reader.setAutoTransform(true);
    const QSize size = reader.size();
    if (!size.isValid() || size.isEmpty())
        return broken(u"the file is damaged: it has no readable size"_s);
    if (std::max(size.width(), size.height()) > limits.maxSide)
        return broken(u"%1 × %2 pixels are too many: at most %3 a side"_s.arg(size.width()).arg(size.height()).arg(limits.maxSide));
    if (qint64{size.width()} * size.height() > limits.maxPixels)
        return broken(u"%1 × %2 pixels are too many: at most %3 million"_s.arg(size.width()).arg(size.height())
                          .arg(limits.maxPixels >> 20));
    LoadedImage out;
    if (keep > 0 && memoryOf(size) > keep) {
        out.skipped = true;
        return out;
    }
    const bool thumbnail = side > 0 && std::max(size.width(), size.height()) > side;
    if (thumbnail && format == "jpeg") // its decoder can leave out detail; twice the side leaves some to smooth
        if (std::max(size.width(), size.height()) > 2 * side)
            reader.setScaledSize(size.scaled(2 * side, 2 * side, Qt::KeepAspectRatio).expandedTo({1, 1}));
    QImage image;
    if (!reader.read(&image) || image.isNull()) {
        const bool large = reader.error() == QImageReader::InvalidDataError &&
                           qint64{size.width()} * size.height() * 4 > (qint64{limits.allocationMb} << 20) / 2;
        return broken(large ? u"it needs more memory than one image may take"_s
                            : u"the file is damaged or ends too early"_s);
    }
    image = canonical(std::move(image));
    if (format == "webp")
        image = upright(image, exifOrientation(webpChunk(bytes, "EXIF")));
    const bool turned = (size.width() > size.height()) != (image.width() > image.height());
    out.size = thumbnail ? (turned ? size.transposed() : size) : image.size();
    if (thumbnail && std::max(image.width(), image.height()) > side)
        image = image.scaled(QSize(side, side), Qt::KeepAspectRatio, Qt::SmoothTransformation);
    out.image = std::move(image);
    if (side == 0)
        for (const QImage* last = &out.image; std::max(last->width(), last->height()) > kSmallestLevel;
             last = &out.smaller.last())
            out.smaller.append(last->scaled(std::max(1, last->width() / 2), std::max(1, last->height() / 2),
                                            Qt::IgnoreAspectRatio, Qt::SmoothTransformation));
    return out;
}

LoadedImage readImage(const QString& path, int side, const ImageReadLimits& limits, qint64 keep) {
    const QFileInfo info(path);
    if (path.isEmpty())
        return broken(u"there is no image file"_s);
    if (!info.exists())
        return broken(u"the file is missing"_s);
    if (!info.isFile())
        return broken(u"it is not a file"_s);
    if (info.size() > limits.maxBytes)
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
