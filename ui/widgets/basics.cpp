// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/basics.h"

#include <QButtonGroup>
#include <QDragEnterEvent>
#include <QEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QMimeData>
#include <QPainter>
#include <QSplitter>
#include <QTimer>
#include <QVBoxLayout>

#include "ui/widgets/icon_label.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
/// '&' in a text from elsewhere is a character, not a mnemonic.
QString literal(QString text) {
    return text.replace(u'&', u"&&"_s);
}
} // namespace

void setGaps(QBoxLayout* layout, Size margin, Size spacing) {
    const int m = px(margin);
    layout->setContentsMargins(m, m, m, m);
    layout->setSpacing(px(spacing));
}

void setNoMargins(QBoxLayout* layout, Size spacing) {
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(px(spacing));
}

QFrame* makeLine(Qt::Orientation orientation, QWidget* parent) {
    auto* line = new QFrame(parent);
    setLook(line, "line");
    if (orientation == Qt::Horizontal)
        line->setFixedHeight(px(Size::Line));
    else
        line->setFixedWidth(px(Size::Line));
    return line;
}

namespace {
/// A 1 px line in the middle of a grip that is wide enough to hit.
class LineHandle : public QSplitterHandle {
public:
    using QSplitterHandle::QSplitterHandle;

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter p(this);
        const QColor c = color(underMouse() ? Tone::Border : Tone::Line);
        if (orientation() == Qt::Horizontal)
            p.fillRect(width() / 2, 0, px(Size::Line), height(), c);
        else
            p.fillRect(0, height() / 2, width(), px(Size::Line), c);
    }
};

class LineSplitter : public QSplitter {
public:
    using QSplitter::QSplitter;

protected:
    QSplitterHandle* createHandle() override { return new LineHandle(orientation(), this); }
};
} // namespace

QSplitter* makeSplitter(Qt::Orientation orientation, QWidget* parent) {
    auto* splitter = new LineSplitter(orientation, parent);
    splitter->setChildrenCollapsible(false);
    splitter->setHandleWidth(2 * px(Size::Grid) + px(Size::Line));
    return splitter;
}

// ---- buttons

FilledButton::FilledButton(const QString& text, QWidget* parent) : QPushButton(text, parent) {
    setLook(this, "filled");
    setCursor(Qt::PointingHandCursor);
}
FilledButton::FilledButton(const QString& iconName, const QString& text, QWidget* parent)
    : FilledButton(text, parent) {
    setIcon(themeIcon(iconName, Tone::Surface));
    setIconSize({px(Size::Icon), px(Size::Icon)});
}
QuietButton::QuietButton(const QString& text, QWidget* parent) : QPushButton(text, parent) {
    setLook(this, "quiet");
}
QuietButton::QuietButton(const QString& iconName, const QString& text, QWidget* parent) : QuietButton(text, parent) {
    setIcon(themeIcon(iconName));
    setIconSize({px(Size::Icon), px(Size::Icon)});
}
LinkButton::LinkButton(const QString& text, QWidget* parent) : QPushButton(text, parent) {
    setLook(this, "link");
    setCursor(Qt::PointingHandCursor);
    setSizePolicy(QSizePolicy::Maximum, QSizePolicy::Fixed);
}
IconButton::IconButton(const QString& iconName, const QString& tip, QWidget* parent) : QPushButton(parent) {
    setLook(this, "icon");
    setIconName(iconName);
    setIconSize({px(Size::Icon), px(Size::Icon)});
    setFixedSize(px(Size::Control), px(Size::Control));
    setToolTip(tip);
    setAccessibleName(tip);
}
void IconButton::setIconName(const QString& iconName) {
    setIcon(themeIcon(iconName, Tone::Second));
}

// ---- labels

TextLabel::TextLabel(const QString& text, TextStyle style, Tone tone, QWidget* parent)
    : QLabel(parent)
    , m_style(style)
    , m_tone(tone) {
    setTextFormat(Qt::PlainText);
    setText(text);
    apply();
}
void TextLabel::setTone(Tone tone) {
    m_tone = tone;
    apply();
}
void TextLabel::setStyle(TextStyle style) {
    m_style = style;
    apply();
}
void TextLabel::apply() {
    m_applying = true;
    QPalette p = palette();
    p.setColor(QPalette::WindowText, color(m_tone));
    setPalette(p);
    setFont(textFont(m_style));
    m_applying = false;
}
void TextLabel::changeEvent(QEvent* event) {
    QLabel::changeEvent(event);
    if (!m_applying && event->type() == QEvent::PaletteChange && palette().color(QPalette::WindowText) != color(m_tone))
        apply();
}

ElidedLabel::ElidedLabel(const QString& text, TextStyle style, Tone tone, QWidget* parent)
    : QWidget(parent)
    , m_text(text)
    , m_style(style)
    , m_tone(tone) {
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    setAccessibleName(text);
}
void ElidedLabel::setText(const QString& text) {
    if (text == m_text)
        return;
    m_text = text;
    setAccessibleName(text);
    setToolTip(isElided() ? text.toHtmlEscaped() : QString());
    updateGeometry();
    update();
}
void ElidedLabel::setTone(Tone tone) {
    m_tone = tone;
    update();
}
void ElidedLabel::setElideMode(Qt::TextElideMode mode) {
    m_mode = mode;
    update();
}
bool ElidedLabel::isElided() const {
    return QFontMetrics(textFont(m_style)).horizontalAdvance(m_text) > width();
}
QSize ElidedLabel::sizeHint() const {
    return {QFontMetrics(textFont(m_style)).horizontalAdvance(m_text) + 2, lineHeight(m_style)};
}
QSize ElidedLabel::minimumSizeHint() const {
    return {px(Size::GapXl), lineHeight(m_style)};
}
void ElidedLabel::resizeEvent(QResizeEvent*) {
    setToolTip(isElided() ? m_text.toHtmlEscaped() : QString());
}
void ElidedLabel::paintEvent(QPaintEvent*) {
    QPainter p(this);
    const QFont f = textFont(m_style);
    p.setFont(f);
    p.setPen(color(isEnabled() ? m_tone : Tone::Hint));
    QString line = m_text;
    line.replace(u'\n', u' ');
    p.drawText(rect(), Qt::AlignVCenter | Qt::AlignLeft | Qt::TextSingleLine,
               QFontMetrics(f).elidedText(line, m_mode, width()));
}

// ---- status

QString statusIcon(State status) {
    switch (status) {
    case State::Queued:
        return u"queued"_s;
    case State::Running:
        return u"running"_s;
    case State::Paused:
        return u"paused"_s;
    case State::Done:
        return u"done"_s;
    case State::Warning:
        return u"warning"_s;
    case State::Failed:
        return u"error"_s;
    case State::Stopped:
        return u"stopped"_s;
    case State::Info:
        return u"info"_s;
    case State::Neutral:
        break;
    }
    return u"minus"_s;
}

Tone statusTone(State status) {
    switch (status) {
    case State::Done:
        return Tone::Ok;
    case State::Warning:
        return Tone::Warn;
    case State::Failed:
        return Tone::Error;
    case State::Running:
        return Tone::Text;
    default:
        return Tone::Second;
    }
}

StatusChip::StatusChip(State status, const QString& word, QWidget* parent)
    : QWidget(parent)
    , m_status(status)
    , m_word(word) {
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    setAccessibleName(word);
}
void StatusChip::set(State status, const QString& word) {
    m_status = status;
    m_word = word;
    setAccessibleName(word);
    updateGeometry();
    update();
}
QSize StatusChip::sizeHint() const {
    const int text = QFontMetrics(textFont(TextStyle::Caption)).horizontalAdvance(m_word);
    return {px(Size::IconSmall) + px(Size::Grid) + text + 2, px(Size::IconSmall) + px(Size::Grid)};
}
void StatusChip::paintEvent(QPaintEvent*) {
    QPainter p(this);
    const int s = px(Size::IconSmall);
    const Tone t = statusTone(m_status);
    themeIcon(statusIcon(m_status), t).paint(&p, QRect(0, (height() - s) / 2, s, s));
    p.setFont(textFont(TextStyle::Caption));
    p.setPen(color(t));
    p.drawText(rect().adjusted(s + px(Size::Grid), 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft, m_word);
}

// ---- containers

Card::Card(const QString& title, QWidget* parent) : QFrame(parent) {
    setLook(this, "card");
    auto* column = new QVBoxLayout(this);
    setGaps(column, Size::GapL, Size::GapM);
    m_head = new QHBoxLayout;
    setNoMargins(m_head, Size::GapS);
    m_title = new TextLabel(title, TextStyle::Heading);
    m_title->setVisible(!title.isEmpty());
    m_head->addWidget(m_title, 1);
    column->addLayout(m_head);
    m_body = new QVBoxLayout;
    setNoMargins(m_body, Size::GapS);
    column->addLayout(m_body, 1);
}
void Card::setCorner(QWidget* widget) {
    m_head->addWidget(widget);
}
void Card::setTitle(const QString& title) {
    m_title->setText(title);
    m_title->setVisible(!title.isEmpty());
}

EmptyState::EmptyState(const QString& iconName, const QString& sentence, const QString& action, const QString& link,
                       QWidget* parent)
    : QWidget(parent) {
    auto* column = new QVBoxLayout(this);
    setGaps(column, Size::GapXl, Size::GapM);
    column->addStretch(2);
    auto* glyph = new IconLabel(iconName, Tone::Hint, 2 * px(Size::Icon));
    column->addWidget(glyph, 0, Qt::AlignHCenter);
    m_sentence = new TextLabel(sentence, TextStyle::Heading);
    m_sentence->setAlignment(Qt::AlignHCenter);
    m_sentence->setWordWrap(true);
    m_sentence->setMaximumWidth(px(Size::PaneMax) - 2 * px(Size::FormLabel) / 2);
    m_detail = new TextLabel({}, TextStyle::Body, Tone::Second);
    m_detail->setAlignment(Qt::AlignHCenter);
    m_detail->setWordWrap(true);
    m_detail->hide();
    for (TextLabel* label : {m_sentence, m_detail}) {
        auto* row = new QHBoxLayout;
        setNoMargins(row, Size::GapS);
        row->addStretch(1);
        row->addWidget(label, 4);
        row->addStretch(1);
        column->addLayout(row);
    }
    m_action = new FilledButton(literal(action));
    m_link = new LinkButton(literal(link));
    column->addWidget(m_action, 0, Qt::AlignHCenter);
    column->addWidget(m_link, 0, Qt::AlignHCenter);
    m_action->setVisible(!action.isEmpty());
    m_link->setVisible(!link.isEmpty());
    column->addStretch(3);
    connect(m_action, &QPushButton::clicked, this, &EmptyState::actionTriggered);
    connect(m_link, &QPushButton::clicked, this, &EmptyState::linkTriggered);
}
void EmptyState::setSentence(const QString& sentence) {
    m_sentence->setText(sentence);
}
void EmptyState::setAction(const QString& text) {
    m_action->setText(literal(text));
    m_action->setVisible(!text.isEmpty());
}
void EmptyState::setLink(const QString& text) {
    m_link->setText(literal(text));
    m_link->setVisible(!text.isEmpty());
}
void EmptyState::setDetail(const QString& text) {
    m_detail->setText(text);
    m_detail->setVisible(!text.isEmpty());
}

Banner::Banner(QWidget* parent) : QFrame(parent) {
    setLook(this, "banner");
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(px(Size::GapM), px(Size::Grid), px(Size::GapS), px(Size::Grid));
    row->setSpacing(px(Size::GapS));
    m_icon = new IconLabel(u"info"_s, Tone::Second, px(Size::Icon));
    m_text = new TextLabel;
    m_text->setWordWrap(true);
    m_action = new QuietButton(QString());
    m_second = new LinkButton(QString());
    m_close = new IconButton(u"close"_s, u"Close"_s);
    row->addWidget(m_icon);
    row->addWidget(m_text, 1);
    row->addWidget(m_second);
    row->addWidget(m_action);
    row->addWidget(m_close);
    setMinimumHeight(px(Size::Header));
    m_close->hide();
    hide();
    connect(m_action, &QPushButton::clicked, this, &Banner::actionTriggered);
    connect(m_second, &QPushButton::clicked, this, &Banner::secondActionTriggered);
    connect(m_close, &QPushButton::clicked, this, [this] {
        hide();
        Q_EMIT closed();
    });
}
void Banner::show(State status, const QString& text, const QString& action, const QString& secondAction) {
    static_cast<IconLabel*>(m_icon)->set(statusIcon(status), statusTone(status));
    m_text->setText(text);
    m_action->setText(literal(action));
    m_action->setVisible(!action.isEmpty());
    m_second->setText(literal(secondAction));
    m_second->setVisible(!secondAction.isEmpty());
    setProperty("status", status == State::Failed ? u"error"_s : status == State::Warning ? u"warn"_s : QString());
    setLook(this, "banner");
    setAccessibleName(text);
    QFrame::show();
}
void Banner::setClosable(bool closable) {
    m_close->setVisible(closable);
}
QString Banner::text() const {
    return m_text->text();
}

InlineMessage::InlineMessage(QWidget* parent) : QWidget(parent) {
    auto* row = new QHBoxLayout(this);
    setNoMargins(row, Size::GapS);
    m_icon = new IconLabel(u"info"_s, Tone::Second, px(Size::IconSmall));
    m_text = new TextLabel;
    m_text->setWordWrap(true);
    row->addWidget(m_icon, 0, Qt::AlignVCenter);
    row->addWidget(m_text, 1);
    m_timer = new QTimer(this);
    m_timer->setSingleShot(true);
    connect(m_timer, &QTimer::timeout, this, &InlineMessage::clear);
    // The place stays when nothing is said: nothing jumps.
    setMinimumHeight(lineHeight(TextStyle::Body));
    clear();
}
void InlineMessage::setMessage(State status, const QString& text, int ms) {
    static_cast<IconLabel*>(m_icon)->set(statusIcon(status), statusTone(status));
    m_icon->show();
    m_text->setText(text);
    m_text->setTone(statusTone(status) == Tone::Second ? Tone::Text : statusTone(status));
    setAccessibleName(text);
    if (ms > 0)
        m_timer->start(ms);
    else
        m_timer->stop();
}
void InlineMessage::clear() {
    m_timer->stop();
    m_icon->hide();
    m_text->clear();
}
QString InlineMessage::text() const {
    return m_text->text();
}

// ---- SegmentedControl

SegmentedControl::SegmentedControl(const QStringList& labels, QWidget* parent) : QWidget(parent) {
    m_layout = new QHBoxLayout(this);
    m_layout->setContentsMargins(0, 0, 0, 0);
    m_layout->setSpacing(0);
    m_group = new QButtonGroup(this);
    m_group->setExclusive(true);
    setSizePolicy(QSizePolicy::Maximum, QSizePolicy::Fixed);
    setLabels(labels);
    connect(m_group, &QButtonGroup::idToggled, this, [this](int id, bool checked) {
        if (checked)
            Q_EMIT currentChanged(id);
    });
}
void SegmentedControl::setLabels(const QStringList& labels) {
    for (QAbstractButton* button : m_group->buttons())
        delete button;
    for (int i = 0; i < labels.size(); ++i) {
        auto* button = new QPushButton(literal(labels[i]));
        button->setCheckable(true);
        button->setProperty("place", labels.size() == 1         ? u"only"_s
                                : i == 0                        ? u"first"_s
                                : i == labels.size() - 1        ? u"last"_s
                                                                : u"middle"_s);
        setLook(button, "segment");
        m_group->addButton(button, i);
        m_layout->addWidget(button);
    }
    if (!labels.isEmpty())
        setCurrent(0);
}
int SegmentedControl::current() const {
    return m_group->checkedId();
}
void SegmentedControl::setCurrent(int index) {
    if (QAbstractButton* button = m_group->button(index))
        button->setChecked(true);
}
void SegmentedControl::setSegmentEnabled(int index, bool enabled, const QString& why) {
    if (QAbstractButton* button = m_group->button(index)) {
        button->setEnabled(enabled);
        button->setToolTip(enabled ? QString() : why.toHtmlEscaped());
    }
}

// ---- DropOverlay

namespace {
QStringList localPaths(const QMimeData* data) {
    QStringList paths;
    for (const QUrl& url : data->urls())
        if (url.isLocalFile())
            paths.append(url.toLocalFile());
    return paths;
}
} // namespace

DropOverlay::DropOverlay(QWidget* window, const QString& text) : QWidget(window), m_text(text) {
    window->setAcceptDrops(true);
    window->installEventFilter(this);
    setAttribute(Qt::WA_TransparentForMouseEvents);
    hide();
}

bool DropOverlay::eventFilter(QObject* watched, QEvent* event) {
    switch (event->type()) {
    case QEvent::DragEnter: {
        auto* drag = static_cast<QDragEnterEvent*>(event);
        if (localPaths(drag->mimeData()).isEmpty())
            break;
        drag->acceptProposedAction();
        setGeometry(parentWidget()->rect());
        raise();
        show();
        return true;
    }
    case QEvent::DragMove:
        static_cast<QDragMoveEvent*>(event)->acceptProposedAction();
        return true;
    case QEvent::DragLeave:
        hide();
        break;
    case QEvent::Drop: {
        auto* drop = static_cast<QDropEvent*>(event);
        hide();
        const QStringList paths = localPaths(drop->mimeData());
        if (paths.isEmpty())
            break;
        drop->acceptProposedAction();
        Q_EMIT dropped(paths);
        return true;
    }
    default:
        break;
    }
    return QWidget::eventFilter(watched, event);
}

void DropOverlay::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    QColor veil = color(Tone::Window);
    veil.setAlphaF(0.88F);
    p.fillRect(rect(), veil);
    QPen pen(color(Tone::Text), 2, Qt::DashLine);
    p.setPen(pen);
    const int gap = px(Size::GapL);
    p.drawRoundedRect(rect().adjusted(gap, gap, -gap, -gap), px(Size::Radius), px(Size::Radius));
    const int s = 2 * px(Size::Icon);
    themeIcon(u"drop"_s).paint(&p, QRect(width() / 2 - s / 2, height() / 2 - s - gap, s, s));
    p.setFont(textFont(TextStyle::Heading));
    p.setPen(color(Tone::Text));
    p.drawText(QRect(0, height() / 2, width(), lineHeight(TextStyle::Title)), Qt::AlignCenter, m_text);
}

} // namespace pl::ui
