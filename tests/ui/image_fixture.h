// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cmath>

#include <QBuffer>
#include <QFile>
#include <QImage>
#include <QtEndian>

#include "core/base/hash.h"
#include "tests/ui/page_fixture.h"

/// Pictures of a known content, and files that are wrong in a known way.
namespace pictures {

using namespace Qt::StringLiterals;

/// A scene that differs in every pixel from what a turned or shifted one would show.
inline QImage gradient(int width, int height, int seed = 0) {
    QImage image(width, height, QImage::Format_RGB32);
    for (int y = 0; y < height; ++y) {
        auto* line = reinterpret_cast<QRgb*>(image.scanLine(y));
        for (int x = 0; x < width; ++x)
            line[x] = qRgb(x * 255 / std::max(1, width - 1), y * 255 / std::max(1, height - 1), (x * 7 + y * 13 + seed * 31) % 256);
    }
    return image;
}

/// Shapes on a ground, as the starter draws them: large enough to judge by eye.
inline QImage scene(int side, int seed, bool warm) {
    QImage image(side, side, QImage::Format_RGB32);
    image.fill(warm ? QColor(236, 214, 178) : QColor(52, 62, 92));
    QPainter p(&image);
    p.setRenderHint(QPainter::Antialiasing, side > 64);
    p.setPen(Qt::NoPen);
    const int n = 2 + seed % 3;
    for (int i = 0; i < n; ++i) {
        p.setBrush(QColor::fromHsv((seed * 47 + i * 80) % 360, 190, warm ? 190 : 230));
        const double r = side * (0.1 + 0.02 * ((seed + i) % 5)), x = side * (i + 0.8) / (n + 0.6),
                     y = side * (0.35 + 0.1 * ((seed * 3 + i) % 4));
        if ((seed + i) % 2)
            p.drawEllipse(QPointF(x, y), r, r);
        else
            p.drawRect(QRectF(x - r, y - r, 2 * r, 2 * r));
    }
    return image;
}

inline QByteArray bytesOf(const QImage& image, const char* format = "PNG", int quality = -1) {
    QByteArray bytes;
    QBuffer buffer(&bytes);
    buffer.open(QIODevice::WriteOnly);
    if (!image.save(&buffer, format, quality))
        qFatal("cannot write a %s", format);
    return bytes;
}

inline QString write(const QString& path, const QByteArray& bytes) {
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size())
        qFatal("cannot write %s", qPrintable(path));
    return path;
}

inline quint32 crc(const QByteArray& bytes) {
    quint32 c = 0xffffffffU;
    for (const char byte : bytes) {
        c ^= static_cast<quint8>(byte);
        for (int k = 0; k < 8; ++k)
            c = c & 1 ? 0xedb88320U ^ (c >> 1) : c >> 1;
    }
    return c ^ 0xffffffffU;
}
inline QByteArray number(quint32 value) {
    QByteArray bytes(4, '\0');
    qToBigEndian(value, bytes.data());
    return bytes;
}
inline QByteArray pngChunk(const QByteArray& name, const QByteArray& data) {
    return number(static_cast<quint32>(data.size())) + name + data + number(crc(name + data));
}

/// A few bytes that claim to be that large.
inline QByteArray bomb(quint32 width, quint32 height) {
    const QByteArray head = number(width) + number(height) + QByteArray("\x08\x02\x00\x00\x00", 5);
    return QByteArray("\x89PNG\r\n\x1a\n", 8) + pngChunk("IHDR", head) + pngChunk("IDAT", QByteArray(16, 'x')) +
           pngChunk("IEND", {});
}
/// A still image with the chunk that says how many frames there are.
inline QByteArray animatedPng() {
    QByteArray bytes = bytesOf(gradient(8, 8));
    return bytes.insert(33, pngChunk("acTL", number(2) + number(0)));
}
/// A WebP that says it moves.
inline QByteArray animatedWebp() {
    const auto little = [](quint32 v) {
        QByteArray bytes(4, '\0');
        qToLittleEndian(v, bytes.data());
        return bytes;
    };
    const QByteArray body = QByteArray("WEBPVP8X") + little(10) + QByteArray("\x02\0\0\0\x07\0\0\x07\0\0", 10) + "ANIM" +
                            little(6) + QByteArray(6, '\0');
    return "RIFF" + little(static_cast<quint32>(body.size())) + body;
}

inline QByteArray tiff(int orientation) {
    return QByteArray("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) + char(orientation) + QByteArray("\0\0\0\0\0\0", 6);
}
/// A JPEG with the tag that says how it is to be turned.
inline QByteArray orientedJpeg(const QImage& image, int orientation) {
    QByteArray bytes = bytesOf(image, "JPG", 100);
    const QByteArray exif = QByteArray("Exif\0\0", 6) + tiff(orientation);
    QByteArray segment("\xff\xe1\0\0", 4);
    qToBigEndian(static_cast<quint16>(exif.size() + 2), segment.data() + 2);
    return bytes.insert(2, segment + exif);
}
/// The same for a WebP: the chunk of its extended form.
inline QByteArray orientedWebp(const QImage& image, int orientation) {
    const auto little = [](quint32 v, int n) {
        QByteArray bytes;
        for (int i = 0; i < n; ++i)
            bytes.append(char(v >> (8 * i)));
        return bytes;
    };
    QByteArray plain = bytesOf(image, "WEBP", 100).mid(12);
    if (plain.startsWith("VP8X"))
        plain.remove(0, 18);
    const QByteArray exif = tiff(orientation);
    const QByteArray body = "WEBPVP8X" + little(10, 4) + little(0x08, 4) + little(static_cast<quint32>(image.width() - 1), 3) +
                            little(static_cast<quint32>(image.height() - 1), 3) + plain + "EXIF" +
                            little(static_cast<quint32>(exif.size()), 4) + exif;
    return "RIFF" + little(static_cast<quint32>(body.size()), 4) + body;
}

/// How a picture that is to be turned by this tag lies in its file (the reverse of what a reader does).
inline QImage stored(const QImage& upright, int orientation) {
    switch (orientation) {
    case 2: return upright.mirrored(true, false);
    case 3: return upright.mirrored(true, true);
    case 4: return upright.mirrored(false, true);
    case 5: return upright.transformed(QTransform().rotate(90)).mirrored(true, false);
    case 6: return upright.transformed(QTransform().rotate(-90));
    case 7: return upright.transformed(QTransform().rotate(-90)).mirrored(true, false);
    case 8: return upright.transformed(QTransform().rotate(90));
    default: return upright;
    }
}

/// Four quarters of their own colours: what survives JPEG, and says how it is turned.
inline QImage quarters(int width, int height) {
    QImage image(width, height, QImage::Format_RGB32);
    QPainter p(&image);
    const QColor colours[] = {QColor(200, 30, 30), QColor(30, 160, 40), QColor(30, 60, 200), QColor(230, 220, 60)};
    for (int i = 0; i < 4; ++i)
        p.fillRect(QRect((i % 2) * width / 2, (i / 2) * height / 2, width / 2, height / 2), colours[i]);
    return image;
}
inline bool near(QRgb a, QRgb b, int within) {
    return std::abs(qRed(a) - qRed(b)) <= within && std::abs(qGreen(a) - qGreen(b)) <= within &&
           std::abs(qBlue(a) - qBlue(b)) <= within;
}
inline bool sameQuarters(const QImage& a, const QImage& b) {
    if (a.size() != b.size())
        return false;
    for (const double x : {0.25, 0.75})
        for (const double y : {0.25, 0.75}) {
            const QPoint at(int(x * a.width()), int(y * a.height()));
            if (!near(a.pixel(at), b.pixel(at), 40))
                return false;
        }
    return true;
}

// --- projects ----------------------------------------------------------------------------------------------------------

/// An image candidate whose file is in the project already.
inline pl::desk::NewCandidate candidate(pl::desk::Project& project, pl::desk::Id prompt, const QByteArray& bytes) {
    QTemporaryFile file;
    if (!file.open() || file.write(bytes) != bytes.size() || !file.flush())
        qFatal("cannot write an image");
    pl::desk::NewCandidate c;
    c.prompt = prompt;
    c.kind = pl::desk::CandidateKind::Image;
    c.content = fixture::must(project.addMedia(file.fileName().toStdString()));
    c.modelName = "secret-model";
    return c;
}

inline const char* caption(int i) {
    static const char* const captions[] = {"two large red circles on a dark background", "a small blue square, noisy, warm light",
                                           "three green triangles in a row on a striped ground", "one yellow ring, top left",
                                           "four tiny purple squares scattered on a light background"};
    return captions[i % 5];
}

/// Pairs of images: `bytes(pair, side)` are the files.
inline void makeProject(const QString& dir, int pairs, const std::function<QByteArray(int, int)>& bytes,
                        pl::desk::Scale scale = pl::desk::Scale::SevenPoint,
                        const std::function<void(pl::desk::Project&)>& more = {}) {
    fixture::makeProject(dir, 0, scale, [&](pl::desk::Project& project) {
        std::vector<pl::desk::NewPrompt> prompts;
        for (int i = 0; i < pairs; ++i) {
            pl::desk::NewPrompt prompt;
            prompt.content = std::string(caption(i)) + (i < 5 ? "" : " (" + std::to_string(i) + ")");
            prompt.kind = "scene";
            prompt.split = i % 5 == 4 ? pl::desk::Split::Dev : pl::desk::Split::Train; // on offer, all of them
            prompts.push_back(prompt);
        }
        const auto ids = fixture::must(project.addPrompts(prompts));
        std::vector<pl::desk::NewCandidate> images;
        for (int i = 0; i < pairs; ++i)
            for (int k = 0; k < 2; ++k)
                images.push_back(candidate(project, ids[static_cast<size_t>(i)], bytes(i, k)));
        fixture::must(project.addCandidates(images));
        if (pairs)
            fixture::must(project.makePairs({}));
        pl::desk::Task task = fixture::must(project.defaultTask());
        task.question = "Which image would you rather look at?";
        fixture::must(project.updateTask(task));
        if (more)
            more(project);
    });
}

} // namespace pictures
