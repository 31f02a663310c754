// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/pair_view.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <QEvent>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QScrollBar>
#include <QStackedWidget>
#include <QVBoxLayout>
#include <QVariantAnimation>

#include "core/text/diff.h"
#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/image_loader.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/pair_sides.h"
#include "ui/widgets/text_match.h"
#include "ui/widgets/text_pane.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

QString textViewName(TextView view) {
    return view == TextView::Markdown ? u"markdown"_s : view == TextView::Diff ? u"diff"_s : u"raw"_s;
}

namespace {

constexpr int kImagePromptLines = 2; ///< captions are short, and the canvas wants the room

QString roleWord(const QString& role) {
    if (role == u"system")
        return u"System"_s;
    if (role == u"assistant")
        return u"Assistant"_s;
    return u"User"_s;
}

} // namespace

struct PairView::Private {
    PairView* q;
    QFrame* promptFrame;
    TextPane* promptPane;
    ElidedLabel* promptLine;
    TextLabel* promptRole;
    ElidedLabel* promptNote;
    QList<TextMark> promptMarks; ///< of the last turn
    LinkButton* earlier;
    IconButton* fold;
    std::array<SideFrame*, 2> sides;
    QHBoxLayout* row;
    QStackedWidget* body; ///< the two texts, or the images
    ImageLoader* loader;
    ImageView* images;
    bool showsImages = false;
    QWidget* dockHolder;
    QWidget* dock = nullptr;
    QVariantAnimation animation;
    std::array<bool, 2> flashing{};
    QString id;
    QList<Turn> prompt;
    std::array<QString, 2> text;
    std::array<QString, 2> notes, ownNotes;
    std::optional<TextMatch> match; ///< made when first needed
    TextView view = TextView::Raw;
    QString turnsKey;
    std::optional<Side> alone;
    bool folded = false, synced = false, following = false;
    bool collapsed = false, allTurns = false;
    int promptLines = 4;
    std::array<bool, 2> paintedSide{true, true};
    qint64 at = 0;
    bool loading = false;

    explicit Private(PairView* owner) : q(owner) {}

    void build() {
        auto* column = new QVBoxLayout(q);
        setNoMargins(column, Size::GapS);
        promptFrame = new QFrame;
        setLook(promptFrame, "sunken");
        auto* area = new QVBoxLayout(promptFrame);
        area->setContentsMargins(0, px(Size::Grid), px(Size::Grid), px(Size::Grid));
        area->setSpacing(0);
        auto* head = new QHBoxLayout;
        head->setContentsMargins(px(Size::GapL), 0, 0, 0);
        head->setSpacing(px(Size::GapS));
        promptRole = new TextLabel(u"Prompt"_s, TextStyle::Caption, Tone::Second);
        promptLine = new ElidedLabel({}, TextStyle::Body);
        promptLine->hide();
        earlier = new LinkButton({});
        earlier->hide();
        earlier->setFocusPolicy(Qt::TabFocus);
        fold = new IconButton(u"chevron_up"_s, u"Fold the prompt"_s);
        fold->setFixedSize(px(Size::ControlSmall), px(Size::ControlSmall));
        fold->setIconSize({px(Size::IconSmall), px(Size::IconSmall)});
        fold->setFocusPolicy(Qt::TabFocus);
        head->addWidget(promptRole);
        head->addWidget(promptLine, 1);
        promptNote = new ElidedLabel({}, TextStyle::Caption, Tone::Second);
        head->addWidget(promptNote, 1);
        head->addWidget(earlier);
        head->addWidget(fold);
        area->addLayout(head);
        promptPane = new TextPane;
        promptPane->setAccessibleName(u"Prompt"_s);
        area->addWidget(promptPane);
        column->addWidget(promptFrame);
        body = new QStackedWidget;
        auto* texts = new QWidget;
        row = new QHBoxLayout(texts);
        setNoMargins(row, Size::GapS);
        body->addWidget(texts);
        loader = new ImageLoader(q);
        images = new ImageView(loader);
        body->addWidget(images);
        QObject::connect(images, &ImageView::painted, q, [this](const QString& shown, qint64 ns) {
            if (!showsImages || shown != id)
                return;
            at = ns;
            Q_EMIT q->painted(shown, ns);
        });
        row->addStretch(0);
        for (const Side side : {Side::A, Side::B}) {
            auto* frame = new SideFrame(side);
            sides[static_cast<size_t>(side)] = frame;
            row->addWidget(frame, 100);
            frame->pane->setPaintListener([this, side](qint64 ns) { painted(side, ns); });
            QObject::connect(frame->pane->verticalScrollBar(), &QScrollBar::valueChanged, q, [this, side] { follow(side); });
        }
        dockHolder = new QWidget;
        auto* holder = new QVBoxLayout(dockHolder);
        setNoMargins(holder, Size::GapS);
        dockHolder->setMinimumWidth(px(Size::DockMin));
        dockHolder->hide();
        row->addWidget(dockHolder, 1);
        row->addStretch(0);
        column->addWidget(body, 1);
        QObject::connect(fold, &QPushButton::clicked, q, [this] { q->setPromptCollapsed(!collapsed); });
        QObject::connect(earlier, &QPushButton::clicked, q, [this] { q->toggleTurns(); });
        animation.setStartValue(1.0);
        animation.setEndValue(0.0);
        QObject::connect(&animation, &QVariantAnimation::valueChanged, q, [this](const QVariant& v) {
            for (size_t i = 0; i < 2; ++i)
                sides[i]->setTint(flashing[i] ? v.toDouble() : 0);
        });
        sizePrompt();
    }

    void sizePrompt() {
        const int lines = showsImages ? std::min(promptLines, kImagePromptLines) : promptLines;
        promptPane->setFixedHeight(lines * lineHeight(TextStyle::Reading) + px(Size::Grid));
        promptPane->setVisible(!collapsed);
        promptLine->setVisible(collapsed);
        fold->setIconName(collapsed ? u"chevron_down"_s : u"chevron_up"_s);
        fold->setToolTip(collapsed ? u"Unfold the prompt"_s : u"Fold the prompt"_s);
        fold->setAccessibleName(fold->toolTip());
    }

    /// The texts or the images come to the front; the one behind forgets what it had.
    void setKind(bool image) {
        if (showsImages == image)
            return;
        showsImages = image;
        if (!image)
            images->clear();
        body->setCurrentIndex(image ? 1 : 0);
        sizePrompt();
        q->placeDock();
    }

    void showPrompt() {
        const qsizetype turns = prompt.size();
        QString shown;
        if (allTurns || turns <= 1) {
            for (const Turn& turn : prompt)
                shown += (turns > 1 ? roleWord(turn.role) + u": "_s : QString()) + turn.text + u"\n\n"_s;
            shown.chop(2);
        } else {
            shown = prompt.last().text;
        }
        promptPane->setRaw(shown);
        markPrompt();
        promptLine->setText(prompt.isEmpty() ? QString() : safeText(prompt.last().text.left(400)));
        earlier->setVisible(turns > 1);
        earlier->setText(allTurns     ? u"Last turn only"_s
                         : turns == 2 ? u"1 earlier turn"_s
                                      : u"%1 earlier turns"_s.arg(turns - 1));
        if (!turnsKey.isEmpty())
            earlier->setToolTip((allTurns ? u"The last turn alone: %1"_s : u"The whole conversation: %1; Shift+PgUp and PgDn scroll it"_s)
                                    .arg(turnsKey)
                                    .toHtmlEscaped());
        if (allTurns) // what is judged is the answer to the last one
            promptPane->verticalScrollBar()->setValue(promptPane->verticalScrollBar()->maximum());
    }

    /// What stands before the last turn.
    qsizetype turnsBefore() const { return prompt.isEmpty() ? 0 : promptPane->source().size() - prompt.last().text.size(); }

    void setPromptMarks(const QList<TextMark>& marks, const QString& words) {
        promptMarks = marks;
        promptNote->setText(words);
    }

    void markPrompt() {
        QList<TextMark> shifted = promptMarks;
        for (TextMark& mark : shifted) {
            mark.begin += turnsBefore();
            mark.end += turnsBefore();
        }
        promptPane->setMarks(shifted);
    }

    qsizetype foldAt() const {
        return folded && !alone && view != TextView::Markdown ? commonBeginning(text[0], text[1]) : 0;
    }

    /// The other answer goes where this one says the same.
    void follow(Side side) {
        if (!synced || following || loading || showsImages)
            return;
        following = true;
        TextPane* lead = sides[static_cast<size_t>(side)]->pane;
        TextPane* other = sides[side == Side::A ? 1 : 0]->pane;
        QScrollBar *from = lead->verticalScrollBar(), *to = other->verticalScrollBar();
        if (from->value() <= 0) {
            to->setValue(0);
        } else if (from->value() >= from->maximum()) {
            to->setValue(to->maximum());
        } else if (view == TextView::Markdown) {
            to->setValue(static_cast<int>(static_cast<double>(from->value()) / from->maximum() * to->maximum()));
        } else {
            if (!match)
                match.emplace(text[0], text[1]);
            const qsizetype at = lead->sourceAtTop();
            other->scrollToSource(side == Side::A ? match->inB(at) : match->inA(at));
        }
        following = false;
    }

    /// What a key scrolls: both, or the longer one, which the other follows.
    QList<QScrollBar*> moved() const {
        QScrollBar *a = sides[0]->pane->verticalScrollBar(), *b = sides[1]->pane->verticalScrollBar();
        if (!synced)
            return {a, b};
        return {a->maximum() >= b->maximum() ? a : b};
    }

    void showNotes() {
        for (size_t i = 0; i < 2; ++i) {
            QStringList all;
            for (const QString& each : {ownNotes[i], notes[i]})
                if (!each.isEmpty())
                    all.append(each);
            sides[i]->note->setText(all.join(u", "_s));
        }
    }

    void showSides() {
        notes = {};
        const qsizetype fold = foldAt();
        if (view == TextView::Diff) {
            const QByteArray a = text[0].toUtf8(), b = text[1].toUtf8();
            std::vector<std::pair<size_t, size_t>> onlyA, onlyB;
            const auto segments =
                pl::text::diffWords({a.constData(), static_cast<size_t>(a.size())},
                                    {b.constData(), static_cast<size_t>(b.size())});
            for (const pl::text::DiffSegment& s : segments) {
                if (s.kind == pl::text::DiffKind::OnlyA)
                    onlyA.emplace_back(s.aBegin, s.aEnd);
                if (s.kind == pl::text::DiffKind::OnlyB)
                    onlyB.emplace_back(s.bBegin, s.bEnd);
            }
            sides[0]->pane->setMarked(text[0], onlyA, color(Tone::SideA), fold);
            sides[1]->pane->setMarked(text[1], onlyB, color(Tone::SideB), fold);
            notes.fill(u"word diff"_s);
        } else {
            for (size_t i = 0; i < 2; ++i) {
                if (view == TextView::Markdown && sides[i]->pane->setMarkdownView(text[i])) {
                    notes[i] = u"Markdown"_s;
                    continue;
                }
                sides[i]->pane->setRaw(text[i], fold);
                if (view == TextView::Markdown)
                    notes[i] = u"too large for Markdown: shown raw"_s;
            }
        }
        for (size_t i = 0; i < 2; ++i) {
            if (text[i].isEmpty())
                notes[i] = u"empty answer"_s;
            if (synced)
                notes[i] += notes[i].isEmpty() ? u"scrolls along"_s : u", scrolls along"_s;
        }
        showNotes();
    }

    void painted(Side side, qint64 ns) {
        if (loading)
            return;
        const size_t i = static_cast<size_t>(side);
        if (paintedSide[i])
            return;
        paintedSide[i] = true;
        if (!paintedSide[0] || !paintedSide[1])
            return;
        at = ns;
        // Leave the paint event first: a listener may change the pair.
        QMetaObject::invokeMethod(
            q, [this, shown = id, ns] { Q_EMIT q->painted(shown, ns); }, Qt::QueuedConnection);
    }
};

PairView::PairView(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>(this)) {
    d->build();
}

PairView::~PairView() {
    for (SideFrame* side : d->sides)
        side->pane->setPaintListener({});
}

void PairView::setPair(const QString& id, const QList<Turn>& prompt, const QString& a, const QString& b) {
    d->loading = true;
    d->setKind(false);
    d->id = id;
    d->prompt = prompt;
    d->setPromptMarks({}, {});
    d->text = {a, b};
    d->allTurns = false;
    d->at = 0;
    d->match.reset();
    d->ownNotes = {};
    d->showPrompt();
    for (SideFrame* side : d->sides)
        side->setCover(nullptr);
    d->showSides();
    for (SideFrame* side : d->sides)
        side->markLabel->clear();
    d->loading = false;
    d->paintedSide = {false, false};
    for (SideFrame* side : d->sides)
        side->pane->viewport()->update();
}

void PairView::setPair(const QString& id, const QString& prompt, const QString& a, const QString& b) {
    setPair(id, QList<Turn>{{u"user"_s, prompt}}, a, b);
}

void PairView::setImagePair(const QString& id, const QList<Turn>& prompt, const QString& pathA, const QString& pathB) {
    d->setKind(true);
    d->id = id;
    d->prompt = prompt;
    d->setPromptMarks({}, {});
    d->text = {};
    d->allTurns = false;
    d->at = 0;
    d->showPrompt();
    d->paintedSide = {true, true};
    d->images->setPair(id, pathA, pathB);
}
bool PairView::isImagePair() const {
    return d->showsImages;
}
ImageView* PairView::images() const {
    return d->images;
}
ImageLoader* PairView::imageLoader() const {
    return d->loader;
}
QString PairView::viewName() const {
    if (d->showsImages)
        return d->images->viewName();
    return textViewName(d->view) + (d->alone ? u"+alone"_s : d->foldAt() > 0 ? u"+fold"_s : QString());
}
QString PairView::problem(Side side) const {
    return d->showsImages ? d->images->problem(side) : QString();
}

QString PairView::pairId() const {
    return d->id;
}

void PairView::clear() {
    setPair({}, QList<Turn>{}, {}, {});
    d->paintedSide = {true, true};
    d->notes = d->ownNotes = {};
    d->showNotes();
}

TextView PairView::view() const {
    return d->view;
}

void PairView::setView(TextView view) {
    if (view == d->view)
        return;
    d->view = view;
    d->showSides();
    Q_EMIT viewChanged(view);
}

void PairView::toggleView(TextView view) {
    setView(d->view == view ? TextView::Raw : view);
}

void PairView::setFolded(bool folded) {
    if (std::exchange(d->folded, folded) != folded)
        d->showSides();
}
bool PairView::isFolded() const {
    return d->folded;
}
qsizetype PairView::foldable() const {
    return d->showsImages ? 0 : commonBeginning(d->text[0], d->text[1]);
}

void PairView::setSynced(bool synced) {
    if (std::exchange(d->synced, synced) == synced)
        return;
    const int top = d->sides[0]->pane->verticalScrollBar()->value();
    d->showSides();
    d->sides[0]->pane->verticalScrollBar()->setValue(top);
}
bool PairView::isSynced() const {
    return d->synced;
}

void PairView::toggleTurns() {
    if (d->prompt.size() < 2)
        return;
    d->allTurns = !d->allTurns;
    d->showPrompt();
}
bool PairView::showsTurns() const {
    return d->allTurns;
}
int PairView::earlierTurns() const {
    return std::max(0, static_cast<int>(d->prompt.size()) - 1);
}
void PairView::setTurnsKey(const QString& key) {
    d->turnsKey = key;
    d->showPrompt();
}
void PairView::scrollPrompt(int pages) {
    QScrollBar* bar = d->promptPane->verticalScrollBar();
    bar->setValue(bar->value() + pages * std::max(1, bar->pageStep() - lineHeight(TextStyle::Reading)));
}

TextPane* PairView::promptPane() const {
    return d->promptPane;
}
QString PairView::lastTurn() const {
    return d->prompt.isEmpty() ? QString() : d->prompt.last().text;
}
qsizetype PairView::turnsBefore() const {
    return d->turnsBefore();
}
void PairView::setPromptMarks(const QList<TextMark>& marks, const QString& words) {
    d->setPromptMarks(marks, words);
    d->markPrompt();
}

void PairView::setCover(Side side, QWidget* cover) {
    d->sides[static_cast<size_t>(side)]->setCover(cover);
}
void PairView::setAlone(std::optional<Side> side) {
    if (!side && !d->alone)
        return;
    d->alone = side;
    d->at = 0;
    for (const Side each : {Side::A, Side::B}) {
        const auto i = static_cast<size_t>(each);
        d->sides[i]->setVisible(side.value_or(each) == each);
        d->paintedSide[i] = side.value_or(each) != each;
        d->sides[i]->pane->viewport()->update();
    }
    placeDock();
}
std::optional<Side> PairView::alone() const {
    return d->alone;
}
void PairView::setNote(Side side, const QString& words) {
    d->ownNotes[static_cast<size_t>(side)] = words;
    d->showNotes();
}
QString PairView::sourceText(Side side) const {
    return d->text[static_cast<size_t>(side)];
}

void PairView::setPromptCollapsed(bool collapsed) {
    d->collapsed = collapsed;
    d->sizePrompt();
}
bool PairView::isPromptCollapsed() const {
    return d->collapsed;
}
void PairView::setPromptLines(int lines) {
    d->promptLines = std::clamp(lines, 3, 8);
    d->sizePrompt();
}

void PairView::setTags(const QString& a, const QString& b) {
    d->sides[0]->tag->setText(a);
    d->sides[1]->tag->setText(b);
    d->images->setTags(a, b);
}
void PairView::setMark(Side side, const QString& word, Tone tone) {
    d->sides[static_cast<size_t>(side)]->markLabel->setTone(tone);
    d->sides[static_cast<size_t>(side)]->markLabel->setText(word);
    d->images->setMark(side, word);
}

void PairView::scrollPages(int pages) {
    if (d->showsImages)
        return d->images->panBy({0, -pages * d->images->height() / 2.0});
    for (QScrollBar* bar : d->moved()) // one line of the last page stays in sight
        bar->setValue(bar->value() + pages * std::max(1, bar->pageStep() - lineHeight(TextStyle::Reading)));
}
void PairView::scrollLines(int lines) {
    if (d->showsImages)
        return d->images->panBy({0, -1.0 * lines * lineHeight(TextStyle::Reading)});
    for (QScrollBar* bar : d->moved())
        bar->setValue(bar->value() + lines * lineHeight(TextStyle::Reading));
}
void PairView::scrollTo(Side side, double fraction) {
    QScrollBar* bar = d->sides[static_cast<size_t>(side)]->pane->verticalScrollBar();
    bar->setValue(static_cast<int>(fraction * bar->maximum()));
}

void PairView::flash(bool a, bool b) {
    if (d->showsImages)
        return d->images->flash(a, b);
    d->animation.stop();
    for (SideFrame* side : d->sides)
        side->setTint(0);
    if (motionMs() <= 0)
        return;
    d->flashing = {a, b};
    d->animation.setDuration(motionMs());
    d->animation.start();
}

void PairView::setDock(QWidget* dock) {
    delete d->dock;
    d->dock = dock;
    if (dock)
        d->dockHolder->layout()->addWidget(dock);
    placeDock();
}
bool PairView::isDockVisible() const {
    return !d->showsImages && d->dockHolder->isVisibleTo(this);
}

qint64 PairView::paintedAt() const {
    return d->at;
}
QString PairView::shownText(Side side) const {
    return d->sides[static_cast<size_t>(side)]->pane->toPlainText();
}
TextPane* PairView::pane(Side side) const {
    return d->sides[static_cast<size_t>(side)]->pane;
}

void PairView::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    placeDock();
}

void PairView::placeDock() {
    const int panes = 2 * px(Size::PaneMax) + px(Size::GapS);
    const bool room = width() >= panes + px(Size::GapS) + px(Size::DockMin);
    d->dockHolder->setVisible(d->dock && room);
    // Without a dock the panes stand in the middle of a wide window.
    const int spare = (width() > panes || d->alone) && !(d->dock && room) ? 1 : 0;
    d->row->setStretch(0, spare);
    d->row->setStretch(d->row->count() - 1, spare);
}

void PairView::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
    case Qt::Key_PageDown:
        scrollPages(1);
        return;
    case Qt::Key_PageUp:
        scrollPages(-1);
        return;
    case Qt::Key_Down:
        scrollLines(2);
        return;
    case Qt::Key_Up:
        scrollLines(-2);
        return;
    case Qt::Key_Home:
    case Qt::Key_End:
        if (d->showsImages)
            return QWidget::keyPressEvent(event);
        for (const Side side : {Side::A, Side::B})
            scrollTo(side, event->key() == Qt::Key_End ? 1 : 0);
        return;
    default:
        QWidget::keyPressEvent(event); // everything else is the page's
    }
}

void PairView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() != QEvent::PaletteChange && event->type() != QEvent::FontChange)
        return;
    d->promptPane->restyle();
    for (SideFrame* side : d->sides)
        side->pane->restyle();
    d->sizePrompt();
    d->showPrompt();
    d->showSides();
}

} // namespace pl::ui
