// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/theme/theme.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include <QApplication>
#include <QFile>
#include <QFontDatabase>
#include <QFontMetrics>
#include <QIconEngine>
#include <QDir>
#include <QPainter>
#include <QPixmapCache>
#include <QStyle>
#include <QStyleFactory>
#include <QSvgRenderer>
#include <QWidget>

#include <nlohmann/json.hpp>

/// Outside any namespace: the macro declares a global function.
static void initResources() {
    static const bool once = [] {
        Q_INIT_RESOURCE(pairlab);
        return true;
    }();
    (void)once;
}

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr std::array kToneNames = {"window", "surface", "sunken", "line", "border", "text", "second",
                                   "hint", "selection", "ok", "warn", "error", "side_a", "side_b"};
constexpr std::array kSizeNames = {
    "grid", "gap_s", "gap_m", "gap_l", "gap_xl", "radius", "line", "control", "control_small", "row", "icon",
    "icon_small", "header", "rail", "rail_wide", "footer", "strip", "run_strip", "pane_max", "dock_min",
    "reading_chars", "tile_min", "plot_min", "form_label"};
constexpr std::array kStyleNames = {"body", "strong", "heading", "title", "caption",
                                    "reading", "mono", "mono_caption", "number"};
static_assert(kToneNames.size() == static_cast<size_t>(Tone::SideB) + 1);
static_assert(kSizeNames.size() == static_cast<size_t>(Size::FormLabel) + 1);
static_assert(kStyleNames.size() == static_cast<size_t>(TextStyle::Number) + 1);

struct StyleToken {
    QStringList families;
    int px = 13, line = 18, weight = 400;
};

/// tokens.json as values. The file is part of the program, so a mistake in it ends the program at once.
struct Tokens {
    std::array<std::array<QColor, kToneNames.size()>, 2> tones; ///< [dark]
    std::array<QList<QColor>, 2> runs;
    std::array<int, kSizeNames.size()> sizes{};
    std::array<StyleToken, kStyleNames.size()> styles;
    QStringList preferred;
    int motion = 160, readingMin = 12, readingMax = 20;

    Tokens() {
        initResources();
        QFile file(u":/pairlab/theme/tokens.json"_s);
        if (!file.open(QIODevice::ReadOnly))
            qFatal("theme/tokens.json is missing from the program");
        const QByteArray bytes = file.readAll();
        const auto json = nlohmann::json::parse(bytes.begin(), bytes.end(), nullptr, false);
        if (json.is_discarded())
            qFatal("theme/tokens.json is not JSON");
        const auto hex = [](const nlohmann::json& value) {
            return QColor(u'#' + QString::fromStdString(value.get<std::string>()));
        };
        for (const bool dark : {false, true}) {
            const auto& part = json.at(dark ? "dark" : "light");
            for (size_t i = 0; i < kToneNames.size(); ++i)
                tones[dark][i] = hex(part.at(kToneNames[i]));
            for (const auto& value : part.at("runs"))
                runs[dark].append(hex(value));
        }
        for (size_t i = 0; i < kSizeNames.size(); ++i)
            sizes[i] = json.at("size").at(kSizeNames[i]).get<int>();
        const QStringList installed = QFontDatabase::families();
        const auto families = [&](const char* kind) {
            QStringList list;
            for (const auto& name : json.at("families").at(kind))
                list.append(QString::fromStdString(name.get<std::string>()));
            preferred.append(list.first());
            QStringList present;
            for (const QString& name : list)
                if (installed.contains(name))
                    present.append(name);
            const bool mono = QByteArray(kind) == "mono";
            present.append(QFontDatabase::systemFont(mono ? QFontDatabase::FixedFont : QFontDatabase::GeneralFont)
                               .family());
            return present;
        };
        const QStringList ui = families("ui"), mono = families("mono");
        for (size_t i = 0; i < kStyleNames.size(); ++i) {
            const auto& part = json.at("type").at(kStyleNames[i]);
            styles[i] = {part.at("family") == "mono" ? mono : ui, part.at("px").get<int>(),
                         part.at("line").get<int>(), part.at("weight").get<int>()};
        }
        motion = json.at("motion_ms").get<int>();
        readingMin = json.at("reading_px").at("min").get<int>();
        readingMax = json.at("reading_px").at("max").get<int>();
    }
};

const Tokens& tokens() {
    static const Tokens value;
    return value;
}

/// What is applied now: the look of the application, one per process as QPalette is.
struct Applied {
    ThemeMode mode = ThemeMode::System;
    bool dark = false;
    bool reduced = false;
    int reading = 15;
    std::optional<bool> systemDark;
};
Applied g_applied;

QColor tone(Tone t, bool dark) {
    return tokens().tones[dark][static_cast<size_t>(t)];
}

QPalette makePalette(bool dark) {
    const auto c = [dark](Tone t) { return tone(t, dark); };
    QPalette p;
    p.setColor(QPalette::Window, c(Tone::Window));
    p.setColor(QPalette::WindowText, c(Tone::Text));
    p.setColor(QPalette::Base, c(Tone::Surface));
    p.setColor(QPalette::AlternateBase, c(Tone::Sunken));
    p.setColor(QPalette::Text, c(Tone::Text));
    p.setColor(QPalette::PlaceholderText, c(Tone::Hint));
    p.setColor(QPalette::Button, c(Tone::Surface));
    p.setColor(QPalette::ButtonText, c(Tone::Text));
    p.setColor(QPalette::BrightText, c(Tone::Error));
    p.setColor(QPalette::ToolTipBase, c(Tone::Surface));
    p.setColor(QPalette::ToolTipText, c(Tone::Text));
    p.setColor(QPalette::Highlight, c(Tone::Text));
    p.setColor(QPalette::HighlightedText, c(Tone::Surface));
    p.setColor(QPalette::Link, c(Tone::Text));
    p.setColor(QPalette::LinkVisited, c(Tone::Second));
    p.setColor(QPalette::Light, c(Tone::Surface));
    p.setColor(QPalette::Midlight, c(Tone::Sunken));
    p.setColor(QPalette::Mid, c(Tone::Line));
    p.setColor(QPalette::Dark, c(Tone::Border));
    p.setColor(QPalette::Shadow, c(Tone::Line));
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        p.setColor(QPalette::Disabled, role, c(Tone::Hint));
    p.setColor(QPalette::Disabled, QPalette::Highlight, c(Tone::Selection));
    p.setColor(QPalette::Disabled, QPalette::HighlightedText, c(Tone::Second));
    return p;
}

/// app.qss with @tone and $size replaced; longer names first, so that @surface does not eat @surface_x.
QString makeStyleSheet(bool dark) {
    QFile file(u":/pairlab/theme/app.qss"_s);
    if (!file.open(QIODevice::ReadOnly))
        qFatal("theme/app.qss is missing from the program");
    QString css = QString::fromUtf8(file.readAll());
    QList<std::pair<QString, QString>> names;
    for (size_t i = 0; i < kToneNames.size(); ++i)
        names.append({u'@' + QLatin1StringView(kToneNames[i]), tone(static_cast<Tone>(i), dark).name()});
    names.append({u"@accent_hover"_s, mix(tone(Tone::Text, dark), tone(Tone::Surface, dark), 0.18).name()});
    names.append({u"@scroll"_s, mix(tone(Tone::Line, dark), tone(Tone::Border, dark), 0.35).name()});
    for (size_t i = 0; i < kSizeNames.size(); ++i)
        names.append({u'$' + QLatin1StringView(kSizeNames[i]), QString::number(tokens().sizes[i])});
    const auto derived = [&](const char* name, int value) {
        names.append({u'$' + QLatin1StringView(name), QString::number(value)});
    };
    // Style sheet sizes are of the content: the border is taken off, and a focus border is one pixel wider.
    derived("control_inner", px(Size::Control) - 2);
    derived("control_focus", px(Size::Control) - 4);
    derived("gap_m_focus", px(Size::GapM) - 1);
    derived("gap_s_focus", px(Size::GapS) - 1);
    derived("header_pad", px(Size::GapS) + 3); // where the text of a cell begins
    derived("segment", px(Size::ControlSmall) - 2);
    derived("segment_focus", px(Size::ControlSmall) - 4);
    std::sort(names.begin(), names.end(),
              [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
    css.replace(u"%theme%"_s, dark ? u"dark"_s : u"light"_s);
    for (const auto& [name, value] : names)
        css.replace(name, value);
    return css;
}

} // namespace

void applyTheme(QApplication& app, ThemeMode mode, int reading) {
    if (!g_applied.systemDark)
        g_applied.systemDark = app.palette().color(QPalette::Window).lightness() < 128;
    const bool first = app.styleSheet().isEmpty();
    g_applied.mode = mode;
    g_applied.dark = mode == ThemeMode::Dark || (mode == ThemeMode::System && *g_applied.systemDark);
    g_applied.reading = std::clamp(reading, tokens().readingMin, tokens().readingMax);
    if (first)
        QApplication::setStyle(QStyleFactory::create(u"Fusion"_s));
    QApplication::setPalette(makePalette(g_applied.dark));
    QApplication::setFont(textFont(TextStyle::Body));
    app.setStyleSheet(makeStyleSheet(g_applied.dark));
    // A style sheet hides palette changes from some widgets: tell every one, so that own painting follows.
    for (QWidget* widget : QApplication::allWidgets()) {
        QEvent event(QEvent::PaletteChange);
        QApplication::sendEvent(widget, &event);
        widget->update();
    }
}

bool isDark() {
    return g_applied.dark;
}
ThemeMode themeMode() {
    return g_applied.mode;
}
int readingPx() {
    return g_applied.reading;
}
QColor color(Tone t) {
    return tone(t, g_applied.dark);
}
QColor color(Tone t, bool dark) {
    return tone(t, dark);
}
int px(Size what) {
    return tokens().sizes[static_cast<size_t>(what)];
}

QFont textFont(TextStyle style) {
    const StyleToken& token = tokens().styles[static_cast<size_t>(style)];
    QFont f;
    f.setFamilies(token.families);
    f.setPixelSize(style == TextStyle::Reading ? g_applied.reading : token.px);
    f.setWeight(static_cast<QFont::Weight>(token.weight));
    f.setHintingPreference(QFont::PreferNoHinting);
    return f;
}

int lineHeight(TextStyle style) {
    const StyleToken& token = tokens().styles[static_cast<size_t>(style)];
    if (style != TextStyle::Reading)
        return token.line;
    return static_cast<int>(std::lround(static_cast<double>(g_applied.reading) * token.line / token.px));
}

bool hasPreferredFonts() {
    const QStringList installed = QFontDatabase::families();
    const QStringList& wanted = tokens().preferred;
    return std::all_of(wanted.begin(), wanted.end(), [&](const QString& f) { return installed.contains(f); });
}

RunColor runColor(int index) {
    const auto& list = tokens().runs[g_applied.dark];
    const int i = std::max(index, 0);
    return {list[i % list.size()], i >= list.size()};
}
int runColorCount() {
    return static_cast<int>(tokens().runs[0].size());
}

QColor mix(const QColor& a, const QColor& b, double t) {
    const auto channel = [t](int x, int y) { return static_cast<int>(std::lround((1 - t) * x + t * y)); };
    return {channel(a.red(), b.red()), channel(a.green(), b.green()), channel(a.blue(), b.blue())};
}

double contrast(const QColor& a, const QColor& b) {
    const auto luminance = [](const QColor& c) {
        const auto linear = [](double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
        return 0.2126 * linear(c.redF()) + 0.7152 * linear(c.greenF()) + 0.0722 * linear(c.blueF());
    };
    const double la = luminance(a), lb = luminance(b);
    return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

int motionMs() {
    return g_applied.reduced ? 0 : tokens().motion;
}
void setReducedMotion(bool reduced) {
    g_applied.reduced = reduced;
}

// ---- icons

namespace {

QByteArray svgOf(const QString& name) {
    initResources();
    QFile file(u":/pairlab/icons/"_s + name + u".svg"_s);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

void paintSvg(QPainter& painter, QByteArray svg, const QColor& tint, const QRectF& rect) {
    svg.replace("currentColor", tint.name().toLatin1());
    QSvgRenderer renderer(svg);
    renderer.render(&painter, rect);
}

class StrokeIcon : public QIconEngine {
public:
    StrokeIcon(QByteArray svg, Tone t) : m_svg(std::move(svg)), m_tone(t) {}

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State) override {
        painter->setRenderHint(QPainter::Antialiasing);
        paintSvg(*painter, m_svg, tint(mode), centred(rect));
    }
    QPixmap pixmap(const QSize& wanted, QIcon::Mode mode, QIcon::State state) override {
        return scaledPixmap(wanted, mode, state, 1.0);
    }
    QPixmap scaledPixmap(const QSize& wanted, QIcon::Mode mode, QIcon::State state, qreal scale) override {
        QPixmap result(wanted);
        result.fill(Qt::transparent);
        QPainter painter(&result);
        paint(&painter, QRect(QPoint(0, 0), wanted), mode, state);
        (void)scale;
        return result;
    }
    QIconEngine* clone() const override { return new StrokeIcon(m_svg, m_tone); }
    QSize actualSize(const QSize& wanted, QIcon::Mode, QIcon::State) override { return wanted; }
    bool isNull() override { return m_svg.isEmpty(); }

private:
    QColor tint(QIcon::Mode mode) const {
        return mode == QIcon::Disabled ? color(Tone::Hint) : color(m_tone);
    }
    static QRectF centred(const QRect& rect) {
        const double side = std::min(rect.width(), rect.height());
        return {rect.x() + (rect.width() - side) / 2, rect.y() + (rect.height() - side) / 2, side, side};
    }
    QByteArray m_svg;
    Tone m_tone;
};

} // namespace

QIcon themeIcon(const QString& name, Tone t) {
    QByteArray svg = svgOf(name);
    return svg.isEmpty() ? QIcon() : QIcon(new StrokeIcon(std::move(svg), t));
}

QPixmap iconPixmap(const QString& name, Tone t, int px, qreal dpr) {
    const QByteArray svg = svgOf(name);
    QPixmap result(QSize(px, px) * dpr);
    result.fill(Qt::transparent);
    if (!svg.isEmpty()) {
        QPainter painter(&result);
        painter.setRenderHint(QPainter::Antialiasing);
        paintSvg(painter, svg, color(t), QRectF(0, 0, result.width(), result.height()));
    }
    result.setDevicePixelRatio(dpr);
    return result;
}

QStringList iconNames() {
    initResources();
    QStringList names;
    for (const QString& file : QDir(u":/pairlab/icons"_s).entryList())
        names.append(file.chopped(4));
    return names;
}

void setLook(QWidget* widget, const char* look) {
    widget->setProperty("look", QString::fromLatin1(look));
    widget->style()->unpolish(widget);
    widget->style()->polish(widget);
    widget->update();
}

} // namespace pl::ui
