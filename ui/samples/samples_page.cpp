// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/samples/samples_page.h"

#include <algorithm>
#include <cmath>

#include <QComboBox>
#include <QFileInfo>
#include <QKeyEvent>
#include <QPainter>
#include <QScrollArea>
#include <QScrollBar>
#include <QSplitter>
#include <QStackedLayout>
#include <QVBoxLayout>

#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "core/text/diff.h"
#include "ui/runs/run_log.h"
#include "ui/samples/image_samples.h"
#include "ui/widgets/text_pane.h"
#include "ui/widgets/text_paint.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kCellLines = 8, kPromptWidth = 200, kStartPrompts = 8;
constexpr int64_t kMostAnswers = 10'000; ///< of one prompt
const std::array<QString, 3> kColumnNames = {u"Start"_s, u"Previous"_s, u"Latest"_s};

QString chips(const RunSample& s) {
    QStringList parts;
    if (std::isfinite(s.reward))
        parts.append(u"reward "_s + formatNumber(s.reward, 3));
    if (std::isfinite(s.kl))
        parts.append(u"KL "_s + formatNumber(s.kl, 3));
    if (s.tokens >= 0)
        parts.append(u"%1 tokens"_s.arg(formatCount(s.tokens)));
    if (s.finished && !*s.finished)
        parts.append(u"cut off"_s);
    return parts.join(u"  ·  "_s);
}

/// The whole table painted at once: rows are prompts, columns steps. Arrows move, Space opens.
class Grid : public QWidget {
public:
    std::function<void()> onCurrent, onOpen, onPin, onDiff, onResized;

    Grid() {
        setFocusPolicy(Qt::StrongFocus);
        setAccessibleName(u"Samples"_s);
    }
    void setTable(SampleTable table) {
        const std::string key = m_row < static_cast<int>(m_table.rows.size()) ? m_table.rows[static_cast<size_t>(m_row)].promptId
                                                                              : std::string();
        m_table = std::move(table);
        m_row = std::clamp(m_row, 0, std::max(0, static_cast<int>(m_table.rows.size()) - 1));
        for (size_t i = 0; i < m_table.rows.size(); ++i)
            if (m_table.rows[i].promptId == key)
                m_row = static_cast<int>(i);
        setMinimumHeight(static_cast<int>(m_table.rows.size()) * rowHeight());
        update();
    }
    const SampleTable& table() const { return m_table; }
    const SampleRow* row() const {
        return m_row < static_cast<int>(m_table.rows.size()) ? &m_table.rows[static_cast<size_t>(m_row)] : nullptr;
    }
    int column() const { return m_column; }
    int rowTop() const { return m_row * rowHeight(); }
    static int rowHeight() {
        return kCellLines * lineHeight(TextStyle::Body) + lineHeight(TextStyle::MonoCaption) + px(Size::GapS) + 2 * px(Size::GapM);
    }
    QRect cellRect(int row, int column) const { // column -1: the prompt
        const int width = (this->width() - kPromptWidth) / 3;
        return column < 0 ? QRect(0, row * rowHeight(), kPromptWidth, rowHeight())
                          : QRect(kPromptWidth + column * width, row * rowHeight(), width, rowHeight());
    }

protected:
    void paintEvent(QPaintEvent* event) override {
        QPainter p(this);
        p.setRenderHint(QPainter::Antialiasing);
        for (int r = 0; r < static_cast<int>(m_table.rows.size()); ++r) {
            if (!cellRect(r, -1).united(cellRect(r, 2)).intersects(event->rect()))
                continue;
            const SampleRow& row = m_table.rows[static_cast<size_t>(r)];
            QRect at = cellRect(r, -1).adjusted(0, px(Size::GapM), -px(Size::GapM), -px(Size::GapM));
            if (row.pinned) {
                p.drawPixmap(at.topLeft(), iconPixmap(u"pin"_s, Tone::Second, px(Size::IconSmall), devicePixelRatioF()));
                at.setTop(at.top() + px(Size::IconSmall) + px(Size::Grid));
            }
            paintText(p, at, safeText(QString::fromStdString(row.prompt)), TextStyle::Strong, Tone::Text,
                     kCellLines - (row.pinned ? 1 : 0));
            for (int c = 0; c < 3; ++c)
                drawCell(p, cellRect(r, c).adjusted(px(Size::Grid), px(Size::Grid), -px(Size::Grid), -px(Size::Grid)),
                         row.cells[static_cast<size_t>(c)], r == m_row && c == m_column);
        }
    }
    void keyPressEvent(QKeyEvent* event) override {
        const int rows = static_cast<int>(m_table.rows.size());
        switch (event->key()) {
        case Qt::Key_Down:
            return go(std::min(m_row + 1, rows - 1), m_column);
        case Qt::Key_Up:
            return go(std::max(m_row - 1, 0), m_column);
        case Qt::Key_Left:
            return go(m_row, std::max(m_column - 1, 0));
        case Qt::Key_Right:
            return go(m_row, std::min(m_column + 1, 2));
        case Qt::Key_Space:
            return onOpen();
        case Qt::Key_P:
            return onPin();
        case Qt::Key_D:
            return onDiff();
        default:
            QWidget::keyPressEvent(event);
        }
    }
    void mousePressEvent(QMouseEvent* event) override {
        const int r = static_cast<int>(event->position().y()) / rowHeight();
        const int x = static_cast<int>(event->position().x()) - kPromptWidth;
        if (r < static_cast<int>(m_table.rows.size()))
            go(r, x < 0 ? m_column : std::clamp(x / std::max(1, (width() - kPromptWidth) / 3), 0, 2));
    }
    void mouseDoubleClickEvent(QMouseEvent*) override { onOpen(); }
    void resizeEvent(QResizeEvent*) override {
        if (onResized)
            onResized();
    }
    void focusInEvent(QFocusEvent*) override { update(); }
    void focusOutEvent(QFocusEvent*) override { update(); }

private:
    void go(int row, int column) {
        m_row = std::max(0, row);
        m_column = column;
        update();
        onCurrent();
    }
    void drawCell(QPainter& p, const QRect& rect, const std::optional<RunSample>& sample, bool current) const {
        const double pen = current && hasFocus() ? 2 : 1;
        p.setPen(QPen(color(current ? (hasFocus() ? Tone::Text : Tone::Border) : Tone::Line), pen));
        p.setBrush(color(Tone::Surface));
        p.drawRoundedRect(QRectF(rect).adjusted(pen / 2, pen / 2, -pen / 2, -pen / 2), px(Size::Radius), px(Size::Radius));
        const int gap = px(Size::GapS);
        QRect text = rect.adjusted(gap, gap, -gap, -gap);
        if (!sample) {
            p.setFont(textFont(TextStyle::Body));
            p.setPen(color(Tone::Hint));
            p.drawText(text, Qt::AlignCenter, u"–"_s);
            return;
        }
        const QRect chipLine(text.left(), text.bottom() - lineHeight(TextStyle::MonoCaption) + 1, text.width(),
                             lineHeight(TextStyle::MonoCaption));
        const bool cut = sample->finished && !*sample->finished;
        p.setFont(textFont(TextStyle::MonoCaption));
        p.setPen(color(cut ? Tone::Warn : Tone::Second));
        p.drawText(chipLine, Qt::AlignLeft | Qt::AlignVCenter,
                   p.fontMetrics().elidedText(chips(*sample), Qt::ElideRight, chipLine.width()));
        text.setBottom(chipLine.top() - px(Size::Grid));
        paintText(p, text, safeText(QString::fromStdString(sample->response)), TextStyle::Body, Tone::Text, kCellLines);
    }

    SampleTable m_table;
    int m_row = 0, m_column = 2;
};

class SamplesPage : public Page {
public:
    explicit SamplesPage(Context& context) : m_ctx(context), m_log(new RunLog(this)) {
        m_stack = new QStackedLayout(this);
        m_empty = new EmptyState(u"samples"_s, u"Pick a run, or sample the start model"_s,
                                 u"Sample the start model on %1 prompts"_s.arg(kStartPrompts), u"Train something"_s);
        m_empty->setDetail(u"A training run answers (or draws) the same few prompts again and again: here they stand side by side."_s);
        connect(m_empty, &EmptyState::actionTriggered, this, [this] { sampleStart(); });
        connect(m_empty, &EmptyState::linkTriggered, this, [this] { m_ctx.navigate(page::kTrain); });
        m_stack->addWidget(m_empty);
        auto* body = new QWidget;
        auto* outer = new QVBoxLayout(body);
        setGaps(outer, Size::GapL, Size::GapM);
        auto* bar = new QHBoxLayout;
        setNoMargins(bar, Size::GapS);
        m_run = new QComboBox;
        m_run->setAccessibleName(u"Run"_s);
        m_run->setMinimumWidth(200);
        bar->addWidget(m_run);
        bar->addWidget(new TextLabel(u"up to"_s, TextStyle::Caption, Tone::Second));
        m_step = new QComboBox;
        m_step->setAccessibleName(u"Latest step shown"_s);
        m_step->setMinimumWidth(140);
        bar->addWidget(m_step);
        m_order = new SegmentedControl({u"Changed most"_s, u"As they came"_s});
        bar->addWidget(m_order);
        m_otherWord = new TextLabel(u"and"_s, TextStyle::Caption, Tone::Second);
        bar->addWidget(m_otherWord);
        m_other = new QComboBox;
        m_other->setAccessibleName(u"Second run"_s);
        m_other->setMinimumWidth(140);
        bar->addWidget(m_other);
        m_images = new ImageSamples;
        bar->addWidget(m_images->chooser());
        bar->addStretch(1);
        m_keysHint = new TextLabel({}, TextStyle::Caption, Tone::Second);
        bar->addWidget(m_keysHint);
        outer->addLayout(bar);
        // Each head stands above its column, wherever the grid puts it.
        m_headLine = new QWidget;
        m_headLine->setFixedHeight(lineHeight(TextStyle::Caption));
        (void)new TextLabel(u"Prompt"_s, TextStyle::Caption, Tone::Second, m_headLine);
        for (TextLabel*& head : m_heads)
            head = new TextLabel({}, TextStyle::Caption, Tone::Second, m_headLine);
        outer->addWidget(m_headLine);
        m_none = new EmptyState(u"samples"_s, u"This run has no samples yet"_s, {}, u"See its charts"_s);
        m_none->setDetail(u"A trainer that samples answers the same few prompts at every measurement."_s);
        m_none->hide();
        connect(m_none, &EmptyState::linkTriggered, this, [this] { m_ctx.navigate(page::kRuns, m_name); });
        outer->addWidget(m_none, 1);
        auto* splitter = makeSplitter(Qt::Vertical);
        m_body = splitter;
        m_area = new QScrollArea;
        m_area->setWidgetResizable(true);
        m_area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
        m_grid = new Grid;
        m_area->setWidget(m_grid);
        m_area->setFocusPolicy(Qt::NoFocus);
        splitter->addWidget(m_area);
        m_full = new Card;
        m_diff = new QuietButton(u"diff"_s, u"Against the start"_s);
        m_diff->setCheckable(true);
        m_full->setCorner(m_diff);
        m_pane = new TextPane;
        m_full->body()->addWidget(m_pane, 1);
        m_full->hide();
        splitter->addWidget(m_full);
        splitter->setStretchFactor(0, 3);
        splitter->setStretchFactor(1, 2);
        outer->addWidget(splitter, 1);
        outer->addWidget(m_images, 1);
        m_stack->addWidget(body);
        setImageMode(false);

        m_grid->onResized = [this] {
            for (int c = 0; c < 3; ++c) {
                const QRect cell = m_grid->cellRect(0, c);
                m_heads[static_cast<size_t>(c)]->setGeometry(cell.left() + px(Size::GapM), 0, cell.width() - px(Size::GapM),
                                                             m_headLine->height());
            }
        };
        m_grid->onCurrent = [this] {
            m_area->ensureVisible(0, m_grid->rowTop(), 0, 0);
            m_area->ensureVisible(0, m_grid->rowTop() + Grid::rowHeight(), 0, 0);
            if (m_full->isVisible())
                showFull();
        };
        m_grid->onOpen = [this] {
            m_full->setVisible(!m_full->isVisible());
            showFull();
        };
        m_grid->onPin = [this] {
            if (const SampleRow* row = m_grid->row()) {
                if (!m_pinned.erase(row->promptId))
                    m_pinned.insert(row->promptId);
                fill();
            }
        };
        m_grid->onDiff = [this] {
            m_full->show();
            m_diff->toggle();
        };
        connect(m_diff, &QPushButton::toggled, this, [this] { showFull(); });
        connect(m_order, &SegmentedControl::currentChanged, this, [this] { fill(); });
        connect(m_step, &QComboBox::currentIndexChanged, this, [this] {
            m_at = m_step->currentData().toLongLong();
            fill();
        });
        connect(m_run, &QComboBox::currentIndexChanged, this, [this] { choose(m_run->currentData().toString()); });
        connect(m_other, &QComboBox::currentIndexChanged, this, [this] {
            wantOther();
            fill();
        });
        connect(m_log, &RunLog::loaded, this, [this](const QString& name) {
            if (name == m_name || name == otherName())
                fill();
        });
        connect(m_log, &RunLog::grown, this, [this](const QString& name) {
            if ((name == m_name || name == otherName()) && isVisible())
                fill();
        });
        connect(&m_ctx.signals, &Signals::runUpdated, this, [this](const desk::RunInfo& info, const std::vector<Event>& events) {
            m_log->live(info, events);
            if (isVisible() && m_run->findData(qstr(info.name)) < 0)
                reload();
        });
        connect(&m_ctx.signals, &Signals::runsSelected, this, [this](const QStringList& names) {
            if (!names.isEmpty() && m_run->findData(names.front()) >= 0)
                choose(names.front());
        });
    }

    void activated() override {
        reload();
        m_imageMode ? m_images->browser()->grid()->setFocus() : m_grid->setFocus();
    }
    void openArgument(const QString& argument) override {
        const QString name = argument.section(u'@', 0, 0);
        bool ok = false;
        const qlonglong step = argument.section(u'@', 1).toLongLong(&ok);
        m_at = ok ? step : -1;
        reload();
        choose(name);
    }

private:
    void reload() {
        QList<std::pair<QString, QString>> items;
        auto runs = m_ctx.supervisor.runs();
        std::stable_sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.name > b.name; });
        QString wanted = m_name;
        if (wanted.isEmpty() && !m_ctx.selectedRuns.isEmpty())
            wanted = m_ctx.selectedRuns.front();
        QString training;
        for (const desk::RunInfo& info : runs) {
            if (info.plugin == "evaluate" || info.plugin.ends_with("reward_model") || info.resident)
                continue; // they write no answers of their own
            items.append({qstr(info.name), qstr(info.name)});
            if (training.isEmpty() && !info.plugin.starts_with("generate_"))
                training = qstr(info.name);
            m_dirs[qstr(info.name)] = info.dir;
        }
        {
            const QSignalBlocker block(m_run);
            m_run->clear();
            for (const auto& [label, value] : items)
                m_run->addItem(label, value);
        }
        {
            // Only another run of images has pictures to put beside.
            const QString other = otherName();
            const QSignalBlocker block(m_other);
            m_other->clear();
            m_other->addItem(u"no other run"_s, QString());
            for (const desk::RunInfo& info : runs)
                if (m_dirs.contains(qstr(info.name)) && info.plugin.find("image") != std::string::npos)
                    m_other->addItem(qstr(info.name), qstr(info.name));
            m_other->setCurrentIndex(std::max(0, m_other->findData(other)));
        }
        m_stack->setCurrentIndex(items.isEmpty() ? 0 : 1);
        if (items.isEmpty())
            return;
        if (m_run->findData(wanted) < 0)
            wanted = training.isEmpty() ? items.front().second : training;
        choose(wanted);
    }

    void choose(const QString& name) {
        if (m_run->findData(name) < 0)
            return;
        if (name != m_name && !m_name.isEmpty() && m_run->hasFocus())
            m_at = -1;
        m_name = name;
        const QSignalBlocker block(m_run);
        m_run->setCurrentIndex(m_run->findData(name));
        m_log->want(name, m_dirs[name]);
        fill();
    }

    QString otherName() const { return m_other->currentData().toString(); }
    void wantOther() {
        if (const QString other = otherName(); !other.isEmpty())
            m_log->want(other, m_dirs[other]);
    }

    /// Texts and pictures are shown by different parts of the page.
    void setImageMode(bool on) {
        m_imageMode = on;
        for (QWidget* w : std::initializer_list<QWidget*>{m_otherWord, m_other, m_images->chooser(), m_images})
            w->setVisible(on);
        for (QWidget* w : std::initializer_list<QWidget*>{m_order, m_body, m_headLine})
            w->setVisible(!on);
        m_keysHint->setText(on ? u"Enter compares  ·  Esc closes"_s : u"Space opens  ·  P pins  ·  D diff"_s);
        m_keysHint->setToolTip(on ? u"While two are open: F1 side, F2 wipe, F3 difference, V held flips, Z 1:1"_s : QString());
    }

    void fillSteps(const std::vector<int64_t>& steps, int64_t shown) {
        const QSignalBlocker block(m_step);
        m_step->clear();
        m_step->addItem(u"the newest step"_s, -1);
        for (auto it = steps.rbegin(); it != steps.rend(); ++it)
            m_step->addItem(u"step "_s + formatCount(*it), static_cast<qlonglong>(*it));
        m_step->setCurrentIndex(m_at < 0 ? 0 : std::max(0, m_step->findData(static_cast<qlonglong>(shown))));
    }

    void fillImages(const std::vector<RunSample>& own) {
        std::vector<const std::vector<RunSample>*> runs{&own};
        QStringList names{m_name};
        const RunSeries* other = otherName().isEmpty() || otherName() == m_name ? nullptr : m_log->find(otherName());
        if (other && hasImages(other->samples())) {
            runs.push_back(&other->samples());
            names.append(otherName());
        }
        ImageSampleTable table = imageSampleTable(runs, m_at);
        int64_t shown = -1;
        for (const ImageColumn& c : table.columns)
            if (c.run == 0)
                shown = c.step;
        fillSteps(table.allSteps, shown);
        m_none->hide();
        m_keysHint->show();
        if (!m_imageMode)
            setImageMode(true);
        markSeen(table);
        m_images->setTable(std::move(table), names);
    }

    void fill() {
        const RunSeries* series = m_log->find(m_name);
        if (series && hasImages(series->samples()))
            return fillImages(series->samples());
        if (m_imageMode)
            setImageMode(false);
        SampleTable table = sampleTable(series ? series->samples() : std::vector<RunSample>{}, m_at, m_order->current() == 0, m_pinned);
        fillSteps(table.allSteps, table.steps[2]);
        for (size_t c = 0; c < 3; ++c)
            m_heads[c]->setText(table.steps[c] < 0 ? kColumnNames[c]
                                                   : u"%1 · step %2"_s.arg(kColumnNames[c], formatCount(table.steps[c])));
        const bool none = table.rows.empty() && !m_log->isLoading(m_name);
        m_none->setVisible(none);
        for (QWidget* w : std::initializer_list<QWidget*>{m_body, m_headLine, m_keysHint})
            w->setVisible(!none);
        markSeen(table);
        m_grid->setTable(std::move(table));
        if (m_full->isVisible())
            showFull();
    }

    /// Answers that are in the project too have been met with their model's name now: on Label they no longer count as blind.
    void markSeen(const SampleTable& table) {
        if (!isVisible())
            return;
        Answers fresh;
        for (const SampleRow& row : table.rows)
            for (const auto& cell : row.cells)
                if (cell && m_seen.insert({row.promptId, cell->response}).second)
                    fresh[row.promptId].push_back(cell->response);
        markSeen(std::move(fresh));
    }
    void markSeen(const ImageSampleTable& table) {
        if (!isVisible())
            return;
        Answers fresh;
        for (const ImageRow& row : table.rows)
            for (const auto& cell : row.cells)
                if (cell && !cell->promptId.empty()) {
                    // An image is named by the SHA-256 of its file, in the bundle and in the project.
                    const std::string sha = sstr(QFileInfo(qstr(cell->image)).completeBaseName());
                    if (m_seen.insert({cell->promptId, sha}).second)
                        fresh[cell->promptId].push_back(sha);
                }
        markSeen(std::move(fresh));
    }
    using Answers = std::map<std::string, std::vector<std::string>>; ///< by prompt
    void markSeen(Answers fresh) {
        if (fresh.empty())
            return;
        m_ctx.store.post([fresh = std::move(fresh), person = m_ctx.annotator](desk::Project& project) {
            std::vector<desk::Id> ids;
            for (const auto& [promptId, answers] : fresh) {
                const auto prompt = project.promptByUuid(promptId);
                if (!prompt)
                    continue; // of another project
                desk::Page page;
                page.prompt = prompt->id;
                page.limit = kMostAnswers;
                const auto there = project.candidates(page);
                for (const desk::Candidate& each : there ? *there : std::vector<desk::Candidate>{})
                    if (std::find(answers.begin(), answers.end(), each.content) != answers.end())
                        ids.push_back(each.id);
            }
            if (ids.empty())
                return;
            if (const Status done = project.markExposed(person, ids); !done)
                log::warn("marking answers as seen: {}", done.error().toString());
        });
    }

    void showFull() {
        const SampleRow* row = m_grid->row();
        if (!row) {
            m_pane->setRaw({});
            return;
        }
        const int c = m_grid->column();
        const auto& cell = row->cells[static_cast<size_t>(c)];
        m_full->setTitle(u"%1 · %2"_s.arg(kColumnNames[static_cast<size_t>(c)], cell ? chips(*cell) : u"no sample"_s));
        m_diff->setEnabled(c > 0 && row->cells[0].has_value());
        if (!cell) {
            m_pane->setRaw({});
            return;
        }
        if (m_diff->isChecked() && c > 0 && row->cells[0]) {
            std::vector<std::pair<size_t, size_t>> marks;
            for (const auto& s : text::diffWords(row->cells[0]->response, cell->response))
                if (s.kind == text::DiffKind::OnlyB && s.bEnd > s.bBegin)
                    marks.emplace_back(s.bBegin, s.bEnd);
            m_pane->setMarked(QString::fromStdString(cell->response), marks, color(Tone::SideA));
        } else {
            m_pane->setRaw(QString::fromStdString(cell->response));
        }
    }

    void sampleStart() {
        desk::GenerateRequest request;
        request.split = desk::Split::Dev;
        request.prompts = kStartPrompts;
        request.n = 1;
        request.makePairs = false;
        request.shortJob = true;
        m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, request](desk::Project& project) mutable {
                if (!desk::isImageModelDir(os::joinPath(project.modelsDir(), request.models.front())))
                    request.parameters = {{"temperature", 0.7}};
                return desk::startGenerate(project, supervisor, request);
            },
            [this](Result<std::string> name) {
                if (!name) {
                    m_empty->setDetail(errorText(name.error()));
                    return;
                }
                m_at = -1;
                m_name = qstr(*name);
                reload();
            });
    }

    Context& m_ctx;
    RunLog* m_log;
    QString m_name;
    std::map<QString, std::string> m_dirs;
    std::set<std::string> m_pinned;
    std::set<std::pair<std::string, std::string>> m_seen; ///< prompt and answer, marked already
    int64_t m_at = -1;
    bool m_imageMode = false;
    QStackedLayout* m_stack;
    EmptyState *m_empty, *m_none;
    QWidget *m_body, *m_headLine;
    TextLabel* m_keysHint;
    QComboBox *m_run, *m_step, *m_other;
    TextLabel* m_otherWord;
    ImageSamples* m_images;
    SegmentedControl* m_order;
    std::array<TextLabel*, 3> m_heads{};
    QScrollArea* m_area;
    Grid* m_grid;
    Card* m_full;
    QuietButton* m_diff;
    TextPane* m_pane;
};

} // namespace

PageFactory samplesPage() {
    return {page::kSamples.toString(), u"Samples"_s, u"samples"_s,
            [](Context& context) -> Page* { return new SamplesPage(context); }};
}

} // namespace pl::ui
