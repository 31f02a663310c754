// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>
#include <random>

#include <QtTest>
#include <QtWidgets>

#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/key_strip.h"
#include "ui/widgets/pair_view.h"
#include "ui/widgets/plot/plot_grid.h"
#include "ui/widgets/schema_form.h"
#include "ui/widgets/search_list.h"
#include "ui/widgets/tiles.h"

using namespace pl::ui;
using namespace Qt::StringLiterals;

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

QList<KeyHint> voteKeys() {
    return {{u"S"_s, u"A much better"_s, 0, 1}, {u"D"_s, u"better"_s, 0, 1},   {u"F"_s, u"slight"_s, 0, 1},
            {u"Space"_s, u"tie"_s, 1},          {u"J"_s, u"slight"_s, 2, 2},   {u"K"_s, u"better"_s, 2, 2},
            {u"L"_s, u"B much better"_s, 2, 2}, {u"U"_s, u"undo"_s, 3}};
}

/// Text drawn by labels and buttons that does not fit its place.
QStringList clipped(QWidget* root) {
    QStringList out;
    for (QLabel* label : root->findChildren<QLabel*>()) {
        if (!label->isVisible() || label->text().isEmpty() || label->wordWrap())
            continue;
        if (QFontMetrics(label->font()).horizontalAdvance(label->text()) > label->width() + 1)
            out.append(label->text());
    }
    for (QAbstractButton* button : root->findChildren<QAbstractButton*>())
        if (button->isVisible() && !button->text().isEmpty() && button->sizeHint().width() > button->width() + 1)
            out.append(button->text());
    return out;
}

void fillPlot(LivePlot* plot, int kind) {
    std::mt19937 rng(3);
    std::normal_distribution<double> noise(0, 0.15);
    const auto add = [&](const SeriesStyle& style, auto f, int n, int every) {
        const int s = plot->addSeries(style);
        for (int i = 0; i <= n; i += every)
            plot->append(s, {double(i), f(i), i * 512.0, i * 0.7});
    };
    switch (kind) {
    case 0:
        plot->setTitle(u"Reward: chosen, rejected, margin"_s);
        add({u"dpo-0042 chosen"_s, 0}, [&](int i) { return i * 0.002 + noise(rng); }, 900, 1);
        add({u"dpo-0042 rejected"_s, 0, true}, [&](int i) { return -i * 0.003 + noise(rng); }, 900, 1);
        plot->setSmoothing(0.9);
        break;
    case 1:
        plot->setTitle(u"Held-out accuracy"_s);
        plot->addBaseline(0.5, u"chance"_s);
        plot->addBaseline(0.61, u"longer wins"_s);
        plot->addBaseline(0.84, u"people agree"_s);
        plot->setYBounds(0, 1);
        add({u"dpo-0042"_s, 0, false, false, true}, [&](int i) { return 0.5 + 0.3 * (1 - std::exp(-i / 300.0)); }, 900, 90);
        add({u"rm-0041 train"_s, 1, false, true}, [&](int i) { return 0.52 + 0.4 * (1 - std::exp(-i / 250.0)); }, 900, 30);
        break;
    case 2: {
        plot->setTitle(u"Win rate against start"_s);
        plot->addBaseline(0.5, u"even"_s);
        for (int run = 0; run < 2; ++run) {
            const int s = plot->addSeries({run ? u"dpo-0040"_s : u"dpo-0042"_s, run});
            for (int i = 0; i <= 900; i += 90) {
                const double p = 0.5 + (run ? 0.08 : 0.2) * (1 - std::exp(-i / 300.0));
                plot->append(s, {double(i), p, i * 512.0, i * 0.7, p - 0.07, p + 0.07});
            }
        }
        break;
    }
    case 3:
        plot->setTitle(u"KL from the start (nats a sequence)"_s);
        plot->setLogY(true);
        add({u"dpo-0042"_s, 0}, [&](int i) { return 0.001 * std::exp(i / 120.0); }, 900, 10);
        plot->addAlert(600, u"KL over its limit of 0.1"_s);
        break;
    case 4: {
        plot->setTitle(u"Loss"_s);
        for (int run = 0; run < 7; ++run)
            add({u"sweep-%1"_s.arg(run), run},
                [&](int i) {
                    return run == 2 && i > 400 && i < 460 ? kNan : (0.69 + 0.1 * run) * std::exp(-i / (500.0 + 90 * run));
                },
                900, 10);
        break;
    }
    default:
        plot->setTitle(u"Length and truncated"_s);
        plot->setEmptyText(u"No lengths yet: the first evaluation is at step 90"_s);
    }
}

pl::Manifest galleryManifest() {
    const auto json = pl::Json::parse(R"({
        "manifest_version": 1, "id": "dpo", "version": "1.0.0", "kind": "train", "title": "DPO", "library": "pairlab_dpo",
        "needs": {"data": ["pairs"], "modalities": ["text"], "models": [{"role": "policy"}]}, "metrics": [],
        "parameters": {"groups": ["Loss", "Optimiser"], "properties": {
            "start": {"type": "model_ref", "default": "start", "basic": true, "label": "Start from"},
            "steps": {"type": "integer", "default": 200, "min": 1, "max": 100000, "scale": "log", "basic": true,
                      "label": "Steps", "help": "Updates of the weights. One step sees 16 pairs."},
            "beta": {"type": "number", "default": 0.1, "min": 0.0001, "max": 10, "scale": "log", "basic": true,
                     "label": "Beta", "help": "How strongly the policy is held to the reference."},
            "loss": {"type": "enum", "values": ["sigmoid", "ipo", "hinge"], "default": "sigmoid", "basic": true, "label": "Loss"},
            "cache": {"type": "boolean", "default": true, "basic": true, "label": "Cache the reference"},
            "label_smoothing": {"type": "number", "default": 0, "min": 0, "max": 0.5, "group": "Loss", "label": "Label smoothing"},
            "file": {"type": "path", "default": "", "group": "Optimiser", "label": "Chat template"},
            "rewards": {"type": "variants", "group": "Loss", "label": "Rewards", "default": [],
                "variants": [{"name": "length", "label": "Length", "help": "A cost for every token.", "properties": {
                    "weight": {"type": "number", "default": 1, "label": "Weight"}}}]}}}})");
    auto result = pl::Manifest::fromJson(json, "/nowhere");
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return *result;
}

const QString kLong = u"Sure! Here is a short plan for the garden. First, clear the weeds and loosen the soil; it should "
                      "crumble in your hand. Then plant the beans along the fence, where they get the sun until four.\n\n"
                      "- water in the evening, not at noon\n- mulch with straw\n- expect the first beans in eight weeks\n\n"
                      "If slugs come, a ring of crushed shells around each plant keeps most of them away. 🌱"_s;

} // namespace

class TestWidgets : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }
    void estimatesCarryTheirBasis();
    void numbersAndDurations();
    void tileSaysTooFew();
    void keyStripShowsWhatItWasGiven();
    void keyStripMovesTogetherBeforeItDrops();
    void searchFindsByWordsAndLetters();
    void paletteChoosesByKeyboard();
    void tableFiltersSortsAndKeepsRows();
    void segmentsAreExclusive();
    void elidedLabelTellsItsWholeText();
    void labelsNeverRenderMarkup();
    void bannerAndMessageSpeak();
    void dropsAreLocalPaths();
    void focusIsSeen();
    void gallery_data();
    void gallery();
};

void TestWidgets::estimatesCarryTheirBasis() {
    QCOMPARE(estimateDecimals(0.54, 0.73), 2);
    QCOMPARE(estimateDecimals(0.5202, 0.5398), 3);
    QCOMPARE(estimateDecimals(10, 90), 0);
    const EstimateText full = formatEstimate({0.6384, 0.5421, 0.7262, 100, u"your votes"_s});
    QVERIFY(full.shown);
    QCOMPARE(full.value, u"0.64"_s);
    QCOMPARE(full.interval, u"[0.54, 0.73]"_s);
    QCOMPARE(full.basis, u"n = 100 · your votes"_s);
    QCOMPARE(formatEstimate({0.64, 0.54, 0.73, 12, u"your votes"_s}).value, u"too few (12)"_s);
    for (const Estimate& e : {Estimate{0.64, kNan, kNan, 100, u"x"_s}, Estimate{0.64, 0.5, 0.7, 0, u"x"_s},
                              Estimate{0.64, 0.5, 0.7, 100, {}}}) {
        QVERIFY(!formatEstimate(e).shown);
        QCOMPARE(formatEstimate(e).value, u"–"_s);
    }
    QCOMPARE(formatEstimate({0.64, 0.54, 0.73, 100, u"x"_s, true}).value, u"64 %"_s);
}

void TestWidgets::numbersAndDurations() {
    QCOMPARE(formatCount(12431), u"12,431"_s);
    QCOMPARE(formatCount(-1204000), u"-1,204,000"_s);
    QCOMPARE(formatCount(999), u"999"_s);
    QCOMPARE(formatNumber(kNan), u"NaN"_s);
    QCOMPARE(formatNumber(0.123456), u"0.1235"_s);
    QCOMPARE(formatDuration(40), u"40 s"_s);
    QCOMPARE(formatDuration(18 * 60), u"18 min"_s);
    QCOMPARE(formatDuration(3 * 3600 + 300), u"3 h 05 min"_s);
}

void TestWidgets::tileSaysTooFew() {
    Tile tile(u"Win rate"_s);
    tile.setEstimate({0.9, 0.7, 0.99, 12, u"your votes"_s});
    const int height = tile.sizeHint().height();
    QCOMPARE(tile.valueText(), u"too few (12)"_s);
    QVERIFY(tile.intervalText().isEmpty());
    tile.setEstimate({0.6384, 0.5421, 0.7262, 100, u"your votes"_s});
    QCOMPARE(tile.valueText(), u"0.64"_s);
    QCOMPARE(tile.sizeHint().height(), height);
}

void TestWidgets::keyStripShowsWhatItWasGiven() {
    KeyStrip strip;
    strip.setHints(voteKeys());
    strip.resize(1280, 40);
    QCOMPARE(strip.visibleHints(), 8);
    strip.resize(400, 40);
    QVERIFY(strip.visibleHints() > 1 && strip.visibleHints() < 8);
    QSignalSpy all(&strip, &KeyStrip::allKeysRequested);
    QTest::mouseClick(&strip, Qt::LeftButton, {}, QPoint(400 - 20, 20));
    QCOMPARE(all.size(), 1);
    QVERIFY(strip.accessibleName().contains(u"Space tie"));
}

/// Nothing is dropped before there is no other way to make room: hints move together, then the last word goes, then labels between others.
void TestWidgets::keyStripMovesTogetherBeforeItDrops() {
    KeyStrip strip;
    auto hints = voteKeys();
    hints[1].between = true;
    strip.setHints(hints);
    const auto words = [&](int width) { // of the hint between others: how wide it is drawn
        strip.resize(width, 40);
        return strip.visibleHints() == hints.size() ? strip.hintRect(1).width() : 0;
    };
    const auto moreAt = [&](int fromRight) { return strip.tipAt({strip.width() - fromRight, 20}).startsWith(u'?'); };
    const int full = words(1280);
    QVERIFY(full > 0 && moreAt(40));
    int least = 1280;
    while (words(least - 1) == full)
        --least;
    QCOMPARE(words(least), full);
    QVERIFY(!moreAt(40) && moreAt(20)); // "?" alone by now
    const int bare = words(least - 1);
    QVERIFY2(bare > 0 && bare < full, qPrintable(QString::number(bare)));
    QVERIFY(strip.tipAt(strip.hintRect(1).center()).startsWith(hints[1].key + u": "_s));
    while (words(least - 1) == bare)
        --least;
    strip.resize(least - 1, 40);
    QVERIFY(strip.visibleHints() < hints.size() && strip.visibleHints() > 0);
}

void TestWidgets::searchFindsByWordsAndLetters() {
    const SearchItem page{u"p"_s, u"Train"_s, u"page"_s, {}, {}, u"Page"_s, {}};
    const SearchItem run{u"r"_s, u"dpo-0042"_s, u"beta 0.1, 900 steps"_s, {}, {}, u"Run"_s, u"warm"_s};
    QVERIFY(searchScore(u"tra"_s, page) > 0);
    QCOMPARE(searchScore(u"tra"_s, run), 0);
    QVERIFY(searchScore(u"beta dpo"_s, run) > 0);
    QVERIFY(searchScore(u"warm"_s, run) > 0);
    QVERIFY(searchScore(u"dp42"_s, run) > 0);
    QVERIFY(searchScore(u"dpo"_s, run) > searchScore(u"dp42"_s, run));
    QVERIFY(searchScore({}, page) > 0);
}

void TestWidgets::paletteChoosesByKeyboard() {
    QWidget window;
    window.resize(900, 600);
    window.show();
    CommandPalette palette(&window);
    QSignalSpy chosen(&palette, &CommandPalette::chosen);
    palette.open({{u"a"_s, u"Label"_s}, {u"b"_s, u"Train"_s}, {u"c"_s, u"Runs"_s}});
    QVERIFY(palette.isVisible());
    auto* field = palette.findChild<QLineEdit*>();
    QTest::keyClicks(field, u"r"_s);
    QCOMPARE(palette.list()->shownIds(), (QStringList{u"c"_s, u"b"_s}));
    QTest::keyClick(field, Qt::Key_Down);
    QTest::keyClick(field, Qt::Key_Return);
    QCOMPARE(chosen.size(), 1);
    QCOMPARE(chosen[0][0].toString(), u"b"_s);
    QVERIFY(!palette.isVisible());
    palette.open({{u"a"_s, u"Label"_s}});
    QTest::keyClick(field, Qt::Key_Escape);
    QVERIFY(!palette.isVisible());
    QCOMPARE(chosen.size(), 1);
}

void TestWidgets::tableFiltersSortsAndKeepsRows() {
    auto* model = new TableModel({{u"Name"_s, false, false, 0, true}, {u"Votes"_s, true}},
                                 [](int row, int column, int role) -> QVariant {
                                     if (role == Qt::DisplayRole)
                                         return column == 0 ? u"row %1 <b>"_s.arg(row) : QString::number(row % 7);
                                     if (role == Qt::UserRole && column == 1)
                                         return row % 7;
                                     return {};
                                 });
    DetailTable table(model);
    model->reset(100);
    table.resize(500, 400);
    table.show();
    QCOMPARE(table.shownRows(), 100);
    table.filter()->setText(u"row 4"_s);
    QCOMPARE(table.shownRows(), 11);
    table.selectRow(42);
    QCOMPARE(table.currentRow(), 42);
    table.view()->sortByColumn(1, Qt::DescendingOrder);
    QCOMPARE(table.currentRow(), 42);
    table.filter()->clear();
    QCOMPARE(table.shownRows(), 100);
    QCOMPARE(table.view()->rowHeight(0), px(Size::Row));
    QCOMPARE(table.view()->model()->index(0, 1).data().toString(), u"6"_s);
    model->appendTo(120);
    QCOMPARE(table.shownRows(), 120);
}

void TestWidgets::segmentsAreExclusive() {
    SegmentedControl control({u"One"_s, u"Two"_s, u"Three"_s});
    QSignalSpy changed(&control, &SegmentedControl::currentChanged);
    QCOMPARE(control.current(), 0);
    control.setCurrent(2);
    QCOMPARE(control.current(), 2);
    QCOMPARE(changed.size(), 1);
    control.setLabels({u"X"_s, u"Y"_s});
    QCOMPARE(control.current(), 0);
}

void TestWidgets::elidedLabelTellsItsWholeText() {
    ElidedLabel label(u"A title that is a good deal longer than its place <b>"_s);
    label.resize(80, 18);
    label.show();
    QVERIFY(label.isElided());
    QVERIFY(label.toolTip().contains(u"longer than its place"));
    QVERIFY(label.toolTip().contains(u"&lt;b&gt;"));
    label.setText(u"ok"_s);
    QVERIFY(label.toolTip().isEmpty());
}

void TestWidgets::labelsNeverRenderMarkup() {
    TextLabel label(u"<h1>x</h1>"_s);
    QCOMPARE(label.textFormat(), Qt::PlainText);
    EmptyState empty(u"inbox"_s, u"<b>none</b>"_s, u"Go"_s, u"Else"_s);
    Banner banner;
    banner.show(State::Warning, u"<img src=x>"_s);
    for (QWidget* w : {static_cast<QWidget*>(&empty), static_cast<QWidget*>(&banner)})
        for (QLabel* child : w->findChildren<QLabel*>())
            if (!child->text().isEmpty())
                QCOMPARE(child->textFormat(), Qt::PlainText);
}

void TestWidgets::bannerAndMessageSpeak() {
    Banner banner;
    QSignalSpy acted(&banner, &Banner::actionTriggered);
    banner.show(State::Info, u"63 newer labels"_s, u"Continue with them"_s);
    QCOMPARE(banner.text(), u"63 newer labels"_s);
    for (QPushButton* b : banner.findChildren<QPushButton*>())
        if (b->text() == u"Continue with them")
            b->click();
    QCOMPARE(acted.size(), 1);
    InlineMessage message;
    const auto needed = [&] { return std::max(message.sizeHint().height(), message.minimumHeight()); };
    const int height = needed();
    message.setMessage(State::Done, u"saved"_s, 20);
    QCOMPARE(message.text(), u"saved"_s);
    QTRY_VERIFY(message.text().isEmpty());
    QCOMPARE(needed(), height);
}

void TestWidgets::dropsAreLocalPaths() {
    QWidget window;
    window.resize(300, 200);
    window.show();
    auto* overlay = new DropOverlay(&window, u"Drop to preview"_s);
    QSignalSpy dropped(overlay, &DropOverlay::dropped);
    QMimeData data;
    data.setUrls({QUrl::fromLocalFile(u"/tmp/a b.jsonl"_s), QUrl(u"https://example.org/x"_s)});
    QDragEnterEvent enter(QPoint(5, 5), Qt::CopyAction, &data, Qt::LeftButton, {});
    QCoreApplication::sendEvent(&window, &enter);
    QVERIFY(overlay->isVisible());
    QDropEvent drop(QPointF(5, 5), Qt::CopyAction, &data, Qt::LeftButton, {});
    QCoreApplication::sendEvent(&window, &drop);
    QCOMPARE(dropped.size(), 1);
    QCOMPARE(dropped[0][0].toStringList(), QStringList{u"/tmp/a b.jsonl"_s});
    QVERIFY(!overlay->isVisible());
}

void TestWidgets::focusIsSeen() {
    QWidget window;
    auto* row = new QHBoxLayout(&window);
    const QList<QWidget*> all = {new FilledButton(u"Start"_s), new QuietButton(u"Quiet"_s), new LinkButton(u"Link"_s),
                                 new IconButton(u"close"_s, u"Close"_s), new QLineEdit, new QCheckBox(u"Check"_s)};
    for (QWidget* w : all)
        row->addWidget(w);
    window.show();
    window.activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(&window));
    for (QWidget* w : all) {
        all[w == all[0] ? 1 : 0]->setFocus(Qt::TabFocusReason);
        const QImage without = w->grab().toImage();
        w->setFocus(Qt::TabFocusReason);
        QVERIFY2(w->grab().toImage() != without, w->metaObject()->className());
    }
}

void TestWidgets::gallery_data() {
    QTest::addColumn<bool>("dark");
    QTest::newRow("light") << false;
    QTest::newRow("dark") << true;
}

void TestWidgets::gallery() {
    QFETCH(bool, dark);
    applyTheme(*qApp, dark ? ThemeMode::Dark : ThemeMode::Light);
    const QString folder = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots");
    QVERIFY(QDir().mkpath(folder));
    const auto shoot = [&](QWidget& w, const QString& name, const QSize& size) {
        w.resize(size);
        w.show();
        for (int i = 0; i < 3; ++i)
            QCoreApplication::processEvents();
        for (LivePlot* plot : w.findChildren<LivePlot*>())
            if (plot->isVisible())
                plot->redrawNow();
        const QString path = u"%1/widgets_%2_%3.png"_s.arg(folder, name, dark ? u"dark"_s : u"light"_s);
        QVERIFY(w.grab().save(path));
        QVERIFY2(clipped(&w).isEmpty(), qPrintable(clipped(&w).join(u" | "_s)));
    };
    {
        QWidget w;
        auto* column = new QVBoxLayout(&w);
        setGaps(column, Size::GapL, Size::GapM);
        column->addWidget(new TextLabel(u"Which answer helps more?"_s, TextStyle::Title));
        auto* banner = new Banner;
        column->addWidget(banner);
        banner->show(State::Warning, u"63 newer labels, 12 changed since this snapshot"_s, u"Continue with them"_s, u"Why?"_s);
        auto* tiles = new QHBoxLayout;
        setNoMargins(tiles, Size::GapS);
        auto* t1 = new Tile(u"Win rate against start"_s);
        t1->setEstimate({0.6384, 0.5421, 0.7262, 100, u"your votes"_s});
        auto* t2 = new Tile(u"Held-out accuracy"_s);
        t2->setEstimate({0.7312, 0.7011, 0.7598, 900, u"random stratum"_s});
        auto* t3 = new Tile(u"Win rate, gold rule"_s);
        t3->setEstimate({0.9, 0.7, 1, 12, u"concise"_s});
        auto* t4 = new Tile(u"Speed"_s);
        t4->setFact(u"12,431"_s, u"tokens a second"_s);
        for (Tile* t : {t1, t2, t3, t4})
            tiles->addWidget(t);
        column->addLayout(tiles);
        auto* buttons = new QHBoxLayout;
        setNoMargins(buttons, Size::GapS);
        buttons->addWidget(new FilledButton(u"play"_s, u"Start"_s));
        buttons->addWidget(new QuietButton(u"folder"_s, u"Import a file"_s));
        buttons->addWidget(new QuietButton(u"Quiet"_s));
        auto* off = new QuietButton(u"Disabled"_s);
        off->setEnabled(false);
        buttons->addWidget(off);
        auto* offFilled = new FilledButton(u"Start"_s);
        offFilled->setEnabled(false);
        buttons->addWidget(offFilled);
        buttons->addWidget(new LinkButton(u"try the shuffled-label control"_s));
        buttons->addWidget(new IconButton(u"settings"_s, u"Settings"_s));
        auto* segments = new SegmentedControl({u"Raw"_s, u"Markdown"_s, u"Diff"_s});
        buttons->addWidget(segments);
        buttons->addStretch(1);
        column->addLayout(buttons);
        auto* chips = new QHBoxLayout;
        setNoMargins(chips, Size::GapL);
        for (const auto& [state, word] : std::initializer_list<std::pair<State, QString>>{
                 {State::Queued, u"queued"_s}, {State::Running, u"running"_s}, {State::Paused, u"paused"_s},
                 {State::Done, u"done"_s}, {State::Warning, u"2 alerts"_s}, {State::Failed, u"failed"_s},
                 {State::Stopped, u"stopped"_s}, {State::Info, u"info"_s}})
            chips->addWidget(new StatusChip(state, word));
        auto* spark = new Sparkline;
        spark->setValues({1, 2, 1.5, 3, 2.8, 4, kNan, 4.2, 5, 4.8, 6});
        chips->addWidget(spark);
        auto* progress = new ProgressLine;
        progress->setValue(0.46);
        chips->addWidget(progress, 1);
        column->addLayout(chips);
        auto* fields = new QHBoxLayout;
        setNoMargins(fields, Size::GapM);
        auto* edit = new QLineEdit;
        edit->setPlaceholderText(u"Filter"_s);
        auto* combo = new QComboBox;
        combo->addItems({u"sigmoid"_s, u"ipo"_s});
        auto* check = new QCheckBox(u"Cache the reference"_s);
        check->setChecked(true);
        auto* slider = new QSlider(Qt::Horizontal);
        slider->setValue(40);
        fields->addWidget(edit);
        fields->addWidget(combo);
        fields->addWidget(check);
        fields->addWidget(new QCheckBox(u"Off"_s));
        fields->addWidget(slider);
        column->addLayout(fields);
        auto* split = new QHBoxLayout;
        setNoMargins(split, Size::GapM);
        auto* model = new TableModel({{u"Run"_s, false, true, 110}, {u"Changed"_s, false, false, 0, true},
                                      {u"Accuracy"_s, true, false, 160}, {u"Age"_s, true, false, 70}},
                                     [](int row, int column, int role) -> QVariant {
                                         if (role == Qt::DecorationRole && column == 0)
                                             return themeIcon(statusIcon(row == 2 ? State::Failed : State::Done),
                                                              statusTone(row == 2 ? State::Failed : State::Done));
                                         if (role != Qt::DisplayRole)
                                             return {};
                                         return QStringList{u"dpo-00%1"_s.arg(42 - row), u"beta 0.%1"_s.arg(row + 1),
                                                            u"0.7%1 [0.70, 0.76]"_s.arg(row), u"%1 min"_s.arg(3 + 9 * row)}[column];
                                     });
        auto* table = new DetailTable(model);
        model->reset(6);
        table->selectRow(1);
        split->addWidget(table, 3);
        auto* empty = new Card;
        empty->body()->addWidget(new EmptyState(u"train"_s, u"Nothing trained yet"_s, u"Train a reward model, about 40 s here"_s,
                                                u"try the shuffled-label control"_s));
        split->addWidget(empty, 2);
        column->addLayout(split, 1);
        auto* strip = new KeyStrip;
        strip->setHints(voteKeys());
        column->addWidget(strip);
        shoot(w, u"basics"_s, {1180, 780});
    }
    {
        QWidget w;
        auto* column = new QVBoxLayout(&w);
        setGaps(column, Size::GapS, Size::GapS);
        auto* view = new PairView;
        column->addWidget(view);
        view->setPair(u"p"_s, QList<Turn>{{u"user"_s, u"I have a small garden."_s}, {u"assistant"_s, u"Lovely."_s},
                                          {u"user"_s, u"How do I grow beans along a fence? Keep it short, please."_s}},
                      kLong, u"**Beans** like sun. Plant them in May along the fence and water them in the evening."_s);
        view->setMark(Side::B, u"unacceptable"_s);
        shoot(w, u"pair_raw"_s, {1184, 640});
        view->setView(TextView::Diff);
        shoot(w, u"pair_diff"_s, {1184, 640});
        view->setView(TextView::Markdown);
        shoot(w, u"pair_markdown"_s, {1184, 640});
    }
    {
        PlotGrid grid;
        for (int i = 0; i < 6; ++i)
            fillPlot(grid.plot(i), i);
        grid.setAllMetrics({{u"logps/chosen"_s, u"Log-probability, chosen"_s, u"Preference"_s}, {u"entropy"_s, u"Entropy"_s, {}}}, {});
        grid.resize(1184, 640);
        grid.show();
        QCoreApplication::processEvents();
        for (LivePlot* plot : grid.plots()) {
            plot->redrawNow();
            plot->setCursor(500);
        }
        shoot(grid, u"plots"_s, {1184, 640});
    }
    {
        QWidget w;
        auto* outer = new QVBoxLayout(&w);
        auto* area = new QScrollArea;
        outer->addWidget(area);
        auto* form = new SchemaForm(galleryManifest());
        form->setModelChoices({{u"start"_s, u"Start model"_s, u"1.2 M parameters"_s}});
        form->setValues({{"beta", 0.3}, {"steps", 0}, {"rewards", pl::Json::array({{{"type", "length"}, {"weight", 0.5}}})}});
        form->setAdvancedOpen(true);
        form->setContentsMargins(px(Size::GapL), px(Size::GapL), px(Size::GapL), px(Size::GapL));
        area->setWidget(form);
        area->setWidgetResizable(true);
        shoot(w, u"form"_s, {700, 860});
    }
    {
        QWidget w;
        w.resize(900, 520);
        w.show();
        CommandPalette palette(&w);
        palette.open({{u"a"_s, u"Label"_s, {}, u"label"_s, u"Alt+1"_s, u"Page"_s}, {u"b"_s, u"Train"_s, {}, u"train"_s, u"Alt+4"_s, u"Page"_s},
                      {u"c"_s, u"dpo-0042"_s, u"beta 0.1, done 18 min ago"_s, u"runs"_s, {}, u"Run"_s},
                      {u"d"_s, u"Export votes as JSONL"_s, {}, u"export"_s, u"Ctrl+E"_s, u"Command"_s}});
        shoot(w, u"palette"_s, {900, 520});
    }
    applyTheme(*qApp, ThemeMode::Light);
}

QTEST_MAIN(TestWidgets)
#include "tst_widgets.moc"
