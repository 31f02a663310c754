// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/chrome.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <QButtonGroup>
#include <QHBoxLayout>
#include <QMenu>
#include <QMouseEvent>
#include <QPainter>
#include <QStyle>
#include <QVBoxLayout>

#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

/// A bar of the window's frame: window colour, one line at an edge.
void frameLook(QFrame* frame, const char* look) {
    setLook(frame, look);
    frame->setAttribute(Qt::WA_StyledBackground);
}

constexpr size_t kSparkPoints = 240;

/// What one sparkline says best, first found wins.
constexpr std::array<std::pair<const char*, const char*>, 8> kSparkMetrics{{{"rewards/margins", "margin"},
                                                                            {"reward", "reward"},
                                                                            {"rewards/mean", "reward"},
                                                                            {"eval_accuracy", "accuracy"},
                                                                            {"accuracy", "accuracy"},
                                                                            {"eval_win_rate", "win rate"},
                                                                            {"loss", "loss"},
                                                                            {"tokens_per_second", "tokens/s"}}};

int rank(RunState state) {
    switch (state) {
    case RunState::Running: return 0;
    case RunState::Paused: return 1;
    case RunState::Queued: return 2;
    case RunState::Failed: return 3;
    default: return 4;
    }
}

} // namespace

QString formatBytes(qint64 bytes) {
    if (bytes < 0)
        return {};
    static const std::array<const char*, 5> units{"B", "kB", "MB", "GB", "TB"};
    double value = static_cast<double>(bytes);
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < units.size()) {
        value /= 1000;
        ++unit;
    }
    return u"%1 %2"_s.arg(QString::number(value, 'f', value < 9.95 && unit > 0 ? 1 : 0),
                          QString::fromLatin1(units[unit]));
}

State stateOf(RunState state) {
    switch (state) {
    case RunState::Queued: return State::Queued;
    case RunState::Running: return State::Running;
    case RunState::Paused: return State::Paused;
    case RunState::Finished: return State::Done;
    case RunState::Stopped: return State::Stopped;
    case RunState::Failed: return State::Failed;
    }
    return State::Neutral;
}

QString runStateWord(const desk::RunInfo& info) {
    if (info.state == RunState::Running && info.stalled)
        return u"silent"_s;
    if (info.preempted)
        return u"waits for a short job"_s;
    return QString::fromLatin1(runStateName(info.state));
}

// --- rail ------------------------------------------------------------------------------------------------------------

RailButton::RailButton(const QString& icon, const QString& title, const QString& key) : m_icon(icon) {
    setText(title);
    setCheckable(true);
    setAccessibleName(title);
    setToolTip(key.isEmpty() ? title : u"%1 (%2)"_s.arg(title, key));
    setFocusPolicy(Qt::TabFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}
void RailButton::setWide(bool wide) {
    m_wide = wide;
    updateGeometry();
    update();
}
QSize RailButton::sizeHint() const {
    return {m_wide ? px(Size::RailWide) - 2 * px(Size::GapS) : px(Size::Rail) - 2 * px(Size::GapS), px(Size::Header)};
}
void RailButton::enterEvent(QEnterEvent* event) {
    QAbstractButton::enterEvent(event);
    update();
}
void RailButton::leaveEvent(QEvent* event) {
    QAbstractButton::leaveEvent(event);
    update();
}
void RailButton::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    const QRectF box = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
    if (isChecked() || underMouse()) {
        p.setPen(Qt::NoPen);
        p.setBrush(color(isChecked() ? Tone::Selection : Tone::Sunken));
        p.drawRoundedRect(box, px(Size::Radius), px(Size::Radius));
    }
    if (hasFocus()) {
        p.setPen(QPen(color(Tone::Text), 2));
        p.setBrush(Qt::NoBrush);
        p.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), px(Size::Radius), px(Size::Radius));
    }
    const Tone tone = isChecked() ? Tone::Text : Tone::Second;
    const int icon = px(Size::Icon);
    const int left = m_wide ? px(Size::GapM) : (width() - icon) / 2;
    p.drawPixmap(left, (height() - icon) / 2, iconPixmap(m_icon, tone, icon, devicePixelRatioF()));
    if (!m_wide)
        return;
    p.setPen(color(tone));
    p.setFont(textFont(TextStyle::Body));
    p.drawText(rect().adjusted(left + icon + px(Size::GapM), 0, -px(Size::GapS), 0), Qt::AlignVCenter | Qt::AlignLeft,
               text());
}

Rail::Rail(const std::vector<PageFactory>& pages) : m_group(new QButtonGroup(this)) {
    frameLook(this, "rail");
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(px(Size::GapS), px(Size::GapS), px(Size::GapS), px(Size::GapS));
    column->setSpacing(px(Size::Grid));
    int number = 0;
    for (const PageFactory& page : pages) {
        const bool last = page.id == page::kSettings;
        if (last)
            column->addStretch(1);
        else
            ++number;
        auto* button = new RailButton(page.icon, page.title,
                                      last          ? u"Ctrl+,"_s
                                      : number <= 9 ? u"Alt+%1"_s.arg(number)
                                                    : QString());
        button->setObjectName(u"rail_"_s + page.id);
        m_group->addButton(button, static_cast<int>(m_buttons.size()));
        m_buttons.append(button);
        column->addWidget(button);
    }
    m_group->setExclusive(true);
    connect(m_group, &QButtonGroup::idClicked, this, &Rail::chosen);
    setWide(false);
}
void Rail::setCurrent(int index) {
    if (QAbstractButton* button = m_group->button(index))
        button->setChecked(true);
}
void Rail::setWide(bool wide) {
    setFixedWidth(px(wide ? Size::RailWide : Size::Rail));
    for (RailButton* button : m_buttons)
        button->setWide(wide);
}

// --- header ----------------------------------------------------------------------------------------------------------

RunChip::RunChip(const QString& name, int index) : m_name(name), m_index(index) {
    setCursor(Qt::PointingHandCursor);
    setAccessibleName(u"Run "_s + name);
    setToolTip(name.toHtmlEscaped());
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}
QSize RunChip::sizeHint() const {
    const QFontMetrics metrics(textFont(TextStyle::MonoCaption));
    return {px(Size::GapS) + px(Size::GapL) + px(Size::Grid) + std::min(metrics.horizontalAdvance(m_name), 110) +
                px(Size::GapXl),
            px(Size::ControlSmall)};
}
void RunChip::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(QPen(color(Tone::Line), 1));
    p.setBrush(color(Tone::Surface));
    p.drawRoundedRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), px(Size::Radius), px(Size::Radius));
    const RunColor run = runColor(m_index);
    p.setPen(QPen(run.color, 3, run.dashed ? Qt::DotLine : Qt::SolidLine));
    const int y = height() / 2, x = px(Size::GapS);
    p.drawLine(x, y, x + px(Size::GapL), y);
    const int textLeft = x + px(Size::GapL) + px(Size::Grid);
    const QFont font = textFont(TextStyle::MonoCaption);
    p.setFont(font);
    p.setPen(color(Tone::Text));
    const QRect area(textLeft, 0, width() - textLeft - px(Size::GapXl) + px(Size::Grid), height());
    p.drawText(area, Qt::AlignVCenter | Qt::AlignLeft,
               QFontMetrics(font).elidedText(m_name, Qt::ElideMiddle, area.width()));
    const int cross = px(Size::IconSmall);
    p.drawPixmap(width() - cross - px(Size::Grid), (height() - cross) / 2,
                 iconPixmap(u"close"_s, Tone::Second, cross, devicePixelRatioF()));
}
void RunChip::mousePressEvent(QMouseEvent* event) {
    if (event->position().x() > width() - px(Size::GapXl) + px(Size::Grid))
        Q_EMIT removed();
    else
        Q_EMIT clicked();
}

HeaderBar::HeaderBar() {
    frameLook(this, "header");
    setFixedHeight(px(Size::Header));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(px(Size::GapM), 0, px(Size::GapM), 0);
    row->setSpacing(px(Size::GapM));
    m_project = new QPushButton;
    setLook(m_project, "bar");
    m_project->setFocusPolicy(Qt::TabFocus);
    m_menu = new QMenu(m_project);
    m_project->setMenu(m_menu);
    row->addWidget(m_project);
    m_task = new QPushButton;
    setLook(m_task, "bar");
    m_task->setFocusPolicy(Qt::TabFocus);
    connect(m_task, &QPushButton::clicked, this, &HeaderBar::taskClicked);
    row->addWidget(m_task);
    m_bar = new ProgressLine;
    m_bar->setFixedWidth(96);
    row->addWidget(m_bar, 0, Qt::AlignVCenter);
    m_count = new TextLabel({}, TextStyle::MonoCaption, Tone::Second);
    row->addWidget(m_count);
    row->addStretch(1);
    auto* chips = new QWidget;
    m_chips = new QHBoxLayout(chips);
    setNoMargins(m_chips, Size::Grid);
    row->addWidget(chips);
    m_personIcon = new QLabel;
    drawIcons();
    row->addWidget(m_personIcon);
    m_person = new ElidedLabel({}, TextStyle::Body, Tone::Second);
    m_person->setMaximumWidth(140);
    row->addWidget(m_person);
    m_search = new QPushButton(u"Find   Ctrl+K"_s);
    m_search->setIcon(themeIcon(u"search"_s, Tone::Second));
    m_search->setAccessibleName(u"Find any page, run, prompt or command"_s);
    setLook(m_search, "bar");
    m_search->setFocusPolicy(Qt::TabFocus);
    connect(m_search, &QPushButton::clicked, this, &HeaderBar::searchRequested);
    row->addWidget(m_search);
}
void HeaderBar::drawIcons() {
    m_personIcon->setPixmap(iconPixmap(u"person"_s, Tone::Second, px(Size::IconSmall), devicePixelRatioF()));
}
void HeaderBar::changeEvent(QEvent* event) {
    QFrame::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && m_personIcon)
        drawIcons();
}
void HeaderBar::setProject(const QString& name, const QString& dir) {
    m_project->setText(QFontMetrics(m_project->font()).elidedText(name, Qt::ElideRight, 220).replace(u'&', u"&&"_s));
    m_project->setToolTip(dir.toHtmlEscaped());
    m_project->setAccessibleName(u"Project "_s + name);
}
void HeaderBar::setTask(const QString& name) {
    const QString shown = QFontMetrics(m_task->font()).elidedText(name, Qt::ElideRight, 200);
    m_task->setText(u"Task: "_s + QString(shown).replace(u'&', u"&&"_s));
}
void HeaderBar::setProgress(qint64 done, qint64 quota) {
    m_bar->setVisible(quota > 0);
    if (quota > 0)
        m_bar->setValue(std::min(1.0, double(done) / double(quota)));
    m_count->setText(quota > 0 ? u"%1/%2"_s.arg(formatCount(done), formatCount(quota))
                               : u"%1 %2"_s.arg(formatCount(done), done == 1 ? u"vote"_s : u"votes"_s));
}
void HeaderBar::setPerson(const QString& name) {
    m_person->setText(name);
}
void HeaderBar::setRuns(const QStringList& names) {
    while (QLayoutItem* item = m_chips->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    constexpr int kShown = 3;
    for (int i = 0; i < std::min<int>(kShown, static_cast<int>(names.size())); ++i) {
        auto* chip = new RunChip(names[i], i);
        connect(chip, &RunChip::clicked, this, [this, name = names[i]] { Q_EMIT runClicked(name); });
        connect(
            chip, &RunChip::removed, this, [this, name = names[i]] { Q_EMIT runRemoved(name); }, Qt::QueuedConnection);
        m_chips->addWidget(chip);
    }
    if (names.size() > kShown)
        m_chips->addWidget(new TextLabel(u"+%1"_s.arg(names.size() - kShown), TextStyle::MonoCaption, Tone::Second));
}

// --- run strip -------------------------------------------------------------------------------------------------------

RunStrip::RunStrip() {
    frameLook(this, "runstrip");
    setFixedHeight(px(Size::RunStrip));
    setCursor(Qt::PointingHandCursor);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(px(Size::GapM), 0, px(Size::GapM), 0);
    row->setSpacing(px(Size::GapM));
    m_state = new StatusChip;
    m_name = new ElidedLabel({}, TextStyle::Mono);
    m_name->setMaximumWidth(220);
    m_bar = new ProgressLine;
    m_bar->setFixedWidth(160);
    m_steps = new TextLabel({}, TextStyle::MonoCaption, Tone::Second);
    m_eta = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_sparkName = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_spark = new Sparkline;
    m_spark->setFixedSize(96, px(Size::RunStrip) - 2 * px(Size::Grid));
    m_alert = new StatusChip;
    m_note = new ElidedLabel({}, TextStyle::Caption, Tone::Second);
    for (QWidget* each : std::initializer_list<QWidget*>{m_state, m_name, m_bar, m_steps, m_eta, m_sparkName, m_spark,
                                                          m_alert})
        row->addWidget(each, 0, Qt::AlignVCenter);
    row->addWidget(m_note, 1);
    clear();
}
void RunStrip::clear() {
    m_runs.clear();
    choose();
}
void RunStrip::setRun(const desk::RunInfo& info, const std::vector<Event>& events) {
    Known& known = m_runs[info.name];
    known.info = info;
    for (const Event& event : events) {
        if (event.type == event::kMetrics && event.body.contains("values") && event.body["values"].is_object()) {
            for (const auto& [metric, word] : kSparkMetrics) {
                const auto at = event.body["values"].find(metric);
                if (at == event.body["values"].end())
                    continue;
                auto& values = known.values[metric];
                values.push_back(numberOf(*at, metric).value_or(std::nan("")));
                if (values.size() > 2 * kSparkPoints)
                    values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(kSparkPoints));
            }
        } else if (event.type == event::kAlert) {
            known.alert = qstr(event.body.value("text", std::string()));
        }
    }
    choose();
}
void RunStrip::choose() {
    const Known* best = nullptr;
    for (const auto& [name, known] : m_runs) {
        if (rank(known.info.state) > 3 || known.info.resident)
            continue;
        if (!best || rank(known.info.state) < rank(best->info.state) ||
            (rank(known.info.state) == rank(best->info.state) && known.info.createdMs > best->info.createdMs))
            best = &known;
    }
    // A failure is news until something newer runs or ends.
    if (best && best->info.state == RunState::Failed)
        for (const auto& [name, known] : m_runs)
            if (known.info.createdMs > best->info.createdMs && known.info.state == RunState::Finished) {
                best = nullptr;
                break;
            }
    m_shown = best ? qstr(best->info.name) : QString();
    for (QWidget* each :
         std::initializer_list<QWidget*>{m_state, m_name, m_bar, m_steps, m_eta, m_sparkName, m_spark, m_alert})
        each->setVisible(best);
    if (!best) {
        m_note->setText(u"Nothing is running"_s);
        setAccessibleName(u"Nothing is running"_s);
        return;
    }
    const desk::RunInfo& info = best->info;
    const bool alive = rank(info.state) < 3;
    m_state->set(info.stalled ? State::Warning : stateOf(info.state), runStateWord(info));
    m_name->setText(m_shown);
    m_bar->setVisible(alive && info.state != RunState::Queued);
    m_bar->setValue(info.of > 0 ? double(info.step) / double(info.of) : std::nan(""));
    m_steps->setText(info.of > 0 ? u"%1/%2"_s.arg(formatCount(info.step), formatCount(info.of)) : QString());
    m_steps->setVisible(alive && info.of > 0);
    m_eta->setText(info.etaSeconds >= 0 ? formatDuration(info.etaSeconds) + u" left"_s : QString());
    m_eta->setVisible(info.state == RunState::Running && info.etaSeconds >= 0);
    bool drawn = false;
    for (const auto& [metric, word] : kSparkMetrics) {
        const auto at = best->values.find(metric);
        if (at == best->values.end() || at->second.size() < 2)
            continue;
        m_spark->setValues(at->second);
        m_spark->setToolTip(u"%1 %2"_s.arg(QString::fromLatin1(metric), formatNumber(at->second.back())));
        m_sparkName->setText(QString::fromLatin1(word));
        drawn = true;
        break;
    }
    m_spark->setVisible(drawn && alive);
    m_sparkName->setVisible(drawn && alive);
    m_alert->setVisible(info.alerts > 0);
    m_alert->set(State::Warning, info.alerts == 1 ? u"1 alert"_s : u"%1 alerts"_s.arg(info.alerts));
    m_alert->setToolTip(best->alert.toHtmlEscaped());
    m_note->setText(!info.reason.empty() ? qstr(info.reason)
                    : info.alerts > 0    ? best->alert
                    : alive              ? u"no alerts"_s
                                         : QString());
    setAccessibleName(u"%1 %2, %3"_s.arg(m_shown, m_state->word(), m_note->text()));
}
void RunStrip::mousePressEvent(QMouseEvent*) {
    Q_EMIT clicked(m_shown);
}

// --- status line -----------------------------------------------------------------------------------------------------

StatusLine::StatusLine() {
    frameLook(this, "footer");
    setFixedHeight(px(Size::Footer));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(px(Size::GapM), 0, px(Size::GapM), 0);
    row->setSpacing(px(Size::GapM));
    m_saved = new TextLabel({}, TextStyle::MonoCaption, Tone::Second);
    m_icon = new QLabel;
    m_icon->setFixedWidth(px(Size::IconSmall));
    m_message = new ElidedLabel({}, TextStyle::Caption);
    m_ready = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_bytes = new TextLabel({}, TextStyle::MonoCaption, Tone::Second);
    row->addWidget(m_saved);
    row->addWidget(m_icon);
    row->addWidget(m_message, 1);
    row->addWidget(m_ready);
    row->addWidget(m_bytes);
}
void StatusLine::setSaved(qint64 judgements) {
    m_saved->setText(judgements > 0 ? u"saved #%1"_s.arg(formatCount(judgements)) : u"nothing saved yet"_s);
}
void StatusLine::setReady(qint64 pairs, double secondsEach, bool writing) {
    QString text = pairs == 1 ? u"1 pair ready"_s : u"%1 pairs ready"_s.arg(formatCount(pairs));
    if (pairs > 0 && secondsEach > 0)
        text += u" (%1)"_s.arg(formatDuration(double(pairs) * secondsEach));
    if (writing)
        text += u", writing more"_s;
    m_ready->setText(text);
}
void StatusLine::setBytes(qint64 bytes) {
    m_bytes->setText(formatBytes(bytes));
    m_bytes->setToolTip(u"Size of the project folder"_s);
}
void StatusLine::setMessage(State state, const QString& text) {
    const bool icon = !text.isEmpty() && state != State::Neutral;
    m_icon->setPixmap(icon ? iconPixmap(statusIcon(state), statusTone(state), px(Size::IconSmall), devicePixelRatioF())
                           : QPixmap());
    m_message->setTone(state == State::Failed ? Tone::Error : Tone::Text);
    m_message->setText(text);
    m_message->setAccessibleName(text);
}
QString StatusLine::message() const {
    return m_message->text();
}

} // namespace pl::ui
