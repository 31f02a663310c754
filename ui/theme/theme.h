// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QFont>
#include <QIcon>
#include <QPalette>
#include <QString>
#include <QStringList>

class QApplication;
class QWidget;

namespace pl::ui {

enum class ThemeMode { System, Light, Dark };

/// Colours of SCREENS.md by what they are for. The accent (filled button, focus ring, progress) is Text.
enum class Tone {
    Window, Surface, Sunken, Line, Border, Text, Second, Hint, Selection, Ok, Warn, Error, SideA, SideB
};
/// Sizes in device independent pixels.
enum class Size {
    Grid, GapS, GapM, GapL, GapXl, Radius, Line, Control, ControlSmall, Row, Icon, IconSmall, Header, Rail, RailWide,
    Footer, Strip, RunStrip, PaneMax, DockMin, ReadingChars, TileMin, PlotMin, FormLabel
};
enum class TextStyle { Body, Strong, Heading, Title, Caption, Reading, Mono, MonoCaption, Number };

/// Loads resources/theme/tokens.json, sets Fusion, palette, style sheet and font of the application. Call at the start
/// and again on every change; widgets follow by QEvent::PaletteChange and FontChange. System follows the lightness of
/// the palette the application started with. `readingPx` is held to 12..20.
void applyTheme(QApplication& app, ThemeMode mode, int readingPx = 15);
bool isDark();
ThemeMode themeMode();
int readingPx();

QColor color(Tone tone);
/// The same from a given theme, whatever is applied (reports, tests).
QColor color(Tone tone, bool dark);
int px(Size what);
/// The font of a style; Reading follows the reading size the user chose.
QFont textFont(TextStyle style);
/// Height of a line of that style, in pixels.
int lineHeight(TextStyle style);
/// False when Inter or JetBrains Mono is absent and a fallback is used.
bool hasPreferredFonts();

struct RunColor {
    QColor color;
    bool dashed = false; ///< from the seventh run on the six colours repeat dashed
};
/// A colour means a run, everywhere: index = position in the run selection.
RunColor runColor(int index);
int runColorCount();

/// (1 - t) * a + t * b, opaque.
QColor mix(const QColor& a, const QColor& b, double t);
/// Contrast ratio of WCAG 2.1, 1..21.
double contrast(const QColor& a, const QColor& b);

/// Milliseconds of an animation: 160, or 0 under reduced motion.
int motionMs();
void setReducedMotion(bool reduced);

/// A stroke icon of resources/icons drawn in a colour of the current theme, sharp at any scale. Unknown names give an
/// empty icon. The tone is looked up at paint time, so icons follow a theme change by themselves.
QIcon themeIcon(const QString& name, Tone tone = Tone::Text);
QPixmap iconPixmap(const QString& name, Tone tone, int px, qreal dpr);
QStringList iconNames();

/// Sets the dynamic property `look` and re-polishes: "filled", "quiet", "link", "danger" (QPushButton), "card",
/// "sunken", "strip" (QFrame), "second", "hint", "caption", "title", "heading", "mono" (QLabel).
void setLook(QWidget* widget, const char* look);

} // namespace pl::ui
