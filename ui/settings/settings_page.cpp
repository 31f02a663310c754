// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/settings/settings_page.h"

#include <algorithm>
#include <cmath>

#include <QCheckBox>
#include <QDesktopServices>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QUrl>
#include <QVBoxLayout>

#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "core/desk/queue/queue_mix.h"
#include "ui/label/vote_draft.h"
#include "ui/settings/keys_card.h"
#include "ui/settings/people_card.h"
#include "ui/shell/annotator.h"
#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kColumn = 820;
/// In percent, in the order of desk::Stratum: random, second opinions, repeats, uncertain, gold.
constexpr int kUsualMix[] = {20, 10, 5, 60, 5};
static_assert(std::size(kUsualMix) == desk::kMixed);

constexpr int kMixColumns = 3; ///< shares beside each other

/// Rows of a name and a control.
class Rows {
public:
    explicit Rows(QVBoxLayout* column) : m_grid(new QGridLayout) {
        m_grid->setHorizontalSpacing(px(Size::GapL));
        m_grid->setVerticalSpacing(px(Size::GapS));
        m_grid->setColumnMinimumWidth(0, px(Size::FormLabel));
        m_grid->setColumnStretch(1, 1);
        column->addLayout(m_grid);
    }
    void add(const QString& name, QWidget* control, const QString& help = {}, bool wide = false) {
        auto* label = new TextLabel(name);
        label->setBuddy(control);
        if (control->accessibleName().isEmpty())
            control->setAccessibleName(name);
        m_grid->addWidget(label, m_row, 0, Qt::AlignTop);
        label->setMinimumHeight(px(Size::Control));
        m_grid->addWidget(control, m_row++, 1, wide ? Qt::Alignment() : Qt::AlignLeft);
        if (help.isEmpty())
            return;
        auto* text = new TextLabel(help, TextStyle::Caption, Tone::Second);
        text->setWordWrap(true);
        m_grid->addWidget(text, m_row++, 1);
    }

private:
    QGridLayout* m_grid;
    int m_row = 0;
};

} // namespace

PageFactory settingsPage(Preferences& preferences) {
    return {page::kSettings.toString(), u"Settings"_s, u"settings"_s,
            [&preferences](Context& c) { return new SettingsPage(c, preferences); }};
}

SettingsPage::SettingsPage(Context& context, Preferences& preferences)
    : m_context(context), m_preferences(preferences), m_shown(context.task) {
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(0, 0, 0, 0);
    outer->setSpacing(0);
    m_scroll = new QScrollArea;
    m_scroll->setWidgetResizable(true);
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setFocusPolicy(Qt::NoFocus);
    outer->addWidget(m_scroll);
    auto* holder = new QWidget;
    auto* row = new QHBoxLayout(holder);
    row->addStretch(1);
    auto* middle = new QWidget;
    middle->setMaximumWidth(kColumn);
    row->addWidget(middle, 100);
    row->addStretch(1);
    auto* column = new QVBoxLayout(middle);
    setGaps(column, Size::GapM, Size::GapL);
    auto* head = new QHBoxLayout;
    setNoMargins(head, Size::GapL);
    head->addWidget(new TextLabel(u"Settings"_s, TextStyle::Title));
    m_message = new InlineMessage;
    head->addWidget(m_message, 1);
    column->addLayout(head);
    const bool annotator = annotatorMode(m_context);
    if (annotator)
        column->addWidget(m_package = new PackageCard(m_context));
    column->addWidget(appearance());
    column->addWidget(m_taskCard = task());
    m_taskCard->setVisible(!annotator); // it is the manager's
    if (!annotator)
        column->addWidget(m_people = new PeopleCard(m_context));
    m_keys = new KeysCard(m_preferences);
    connect(m_keys, &KeysCard::keysChanged, this, [this] {
        nameScales();
        Q_EMIT m_context.signals.settingsChanged();
    });
    column->addWidget(m_keys);
    nameScales();
    QWidget* ordersCard = orders();
    column->addWidget(ordersCard);
    ordersCard->setVisible(!annotator);
    if (!annotator)
        column->addWidget(new EraseCard(m_context));
    column->addWidget(folders());
    column->addWidget(m_pluginCard = plugins());
    m_pluginCard->setVisible(!annotator);
    column->addStretch(1);
    m_scroll->setWidget(holder);
    loadTask();
}

QString SettingsPage::messageText() const {
    return m_message->text();
}

void SettingsPage::activated() {
    {
        const QSignalBlocker quiet(m_reading), still(m_theme);
        m_reading->setValue(m_preferences.readingPx());
        m_theme->setCurrent(static_cast<int>(m_preferences.theme()));
    }
    loadOrder();
    if (m_people)
        m_people->refresh();
    if (m_package)
        m_package->refresh();
    m_theme->setFocus();
}

void SettingsPage::openArgument(const QString& argument) {
    if (argument.startsWith(u"merge:") && m_people) {
        m_people->merge({argument.mid(6)});
        return openArgument(u"people"_s);
    }
    if (QWidget* card = argument == u"task" ? m_taskCard : argument == u"people" ? m_people : argument == u"plugins" ? m_pluginCard
                        : argument == u"keys"  ? m_keys
                                               : nullptr) {
        m_scroll->widget()->adjustSize();
        m_scroll->ensureWidgetVisible(card, 0, px(Size::GapL));
        if (argument == u"task" && m_taskCard->isVisibleTo(this))
            m_question->setFocus();
    }
}

QWidget* SettingsPage::appearance() {
    auto* card = new Card(u"Appearance"_s);
    Rows rows(card->body());
    m_theme = new SegmentedControl({u"System"_s, u"Light"_s, u"Dark"_s});
    m_theme->setCurrent(static_cast<int>(m_preferences.theme()));
    connect(m_theme, &SegmentedControl::currentChanged, this, [this](int index) {
        m_preferences.setTheme(static_cast<ThemeMode>(index));
        m_preferences.apply();
    });
    rows.add(u"Theme"_s, m_theme);
    m_reading = new QSpinBox;
    m_reading->setRange(12, 20);
    m_reading->setSuffix(u" px"_s);
    m_reading->setValue(m_preferences.readingPx());
    connect(m_reading, &QSpinBox::valueChanged, this, [this](int value) {
        m_preferences.setReadingPx(value);
        m_preferences.apply();
    });
    rows.add(u"Text size of answers"_s, m_reading, u"Ctrl + and Ctrl - change it on every page."_s);
    auto* motion = new QCheckBox(u"No motion"_s);
    motion->setChecked(m_preferences.reducedMotion());
    connect(motion, &QCheckBox::toggled, this, [this](bool on) {
        m_preferences.setReducedMotion(on);
        m_preferences.apply();
    });
    rows.add(u"Motion"_s, motion);
    if (!hasPreferredFonts()) {
        auto* note = new TextLabel(u"Inter or JetBrains Mono is not installed, so another font stands in. On Debian: "
                                   u"apt install fonts-inter fonts-jetbrains-mono."_s,
                                   TextStyle::Caption, Tone::Warn);
        note->setWordWrap(true);
        card->body()->addWidget(note);
    }
    return card;
}

QWidget* SettingsPage::task() {
    auto* card = new Card(u"Task"_s);
    Rows rows(card->body());
    m_name = new QLineEdit;
    m_question = new QLineEdit;
    m_scale = new SegmentedControl({u"Simple"_s, u"7-point"_s});
    m_scaleKeys = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_scaleKeys->setWordWrap(true);
    m_guideline = new QPlainTextEdit;
    m_guideline->setTabChangesFocus(true);
    m_guideline->setMinimumHeight(8 * lineHeight(TextStyle::Body));
    m_quota = new QSpinBox;
    m_quota->setRange(0, 10'000'000);
    m_quota->setGroupSeparatorShown(true);
    m_quota->setSpecialValueText(u"none"_s);
    m_reveal = new QCheckBox(u"Show which model wrote an answer"_s);
    m_guidelineVersion = new TextLabel({}, TextStyle::Caption, Tone::Second);
    rows.add(u"Name"_s, m_name, {}, true);
    rows.add(u"Question"_s, m_question, {}, true);
    rows.add(u"Scale and keys"_s, m_scale);
    rows.add({}, m_scaleKeys, {}, true);
    m_shows = new SegmentedControl({u"Both answers"_s, u"One at a time"_s});
    rows.add(u"Shows"_s, m_shows,
             u"One at a time: each answer is called good or bad alone. These verdicts train as unpaired rows (KTO); a good and a bad "
             u"one are a preference besides. Texts only; nothing else is asked then."_s);
    rows.add(u"Guideline"_s, m_guideline, u"A changed guideline is a new version. Every vote names the version it was given under."_s,
             true);
    rows.add({}, m_guidelineVersion);
    m_asked = new QPlainTextEdit;
    m_asked->setTabChangesFocus(true);
    m_asked->setFixedHeight(6 * lineHeight(TextStyle::Body));
    m_asked->setAccessibleName(u"Asked with every vote"_s);
    m_asked->setPlaceholderText(u"nothing: one key is the whole vote"_s);
    rows.add(u"Asked with every vote"_s, m_asked,
             u"A line each: “helpfulness” or “helpfulness 0-5” for each answer, “pair: clearer” for the two (A, tie, B), “reasons: clearer, "
             u"shorter, safer” to pick from. A digit answers, and the next comes by itself."_s,
             true);
    auto* helpSteer = new LinkButton(u"HelpSteer's five, 0 to 4"_s);
    connect(helpSteer, &QPushButton::clicked, this, [this] { m_asked->setPlainText(VoteForm::toLines(VoteForm::helpSteer())); });
    rows.add({}, helpSteer);
    m_rationale = new SegmentedControl({u"Off"_s, u"Offered"_s, u"Asked for"_s});
    rows.add(u"Reason in words"_s, m_rationale);
    m_confirm = new QCheckBox(u"A key only chooses, Enter gives the vote"_s);
    rows.add(u"Confirm"_s, m_confirm);
    m_nextRule = new SegmentedControl({u"In order"_s, u"Mixed"_s});
    rows.add(u"What comes next"_s, m_nextRule,
             u"Mixed: pairs nobody has judged, drawn at random (these votes measure models without bias); pairs that others judged, until "
             u"two agree or most do; what reward models are unsure of (after pairlab-cli score); and, without a word, your own older ones with "
             u"the sides drawn anew and gold pairs, whose verdict is known. A share that has nothing goes to the others."_s);
    m_mixRow = new QWidget;
    auto* mix = new QGridLayout(m_mixRow);
    mix->setContentsMargins(0, 0, 0, 0);
    mix->setHorizontalSpacing(px(Size::GapS));
    mix->setVerticalSpacing(px(Size::GapS));
    for (size_t i = 0; i < desk::kMixed; ++i) {
        const QString words = QString::fromLatin1(desk::stratumWords(static_cast<desk::Stratum>(i)));
        m_mix[i] = new QSpinBox;
        m_mix[i]->setRange(0, 100);
        m_mix[i]->setSuffix(u" %"_s);
        m_mix[i]->setAccessibleName(u"Share of %1"_s.arg(words));
        const int row = static_cast<int>(i) / kMixColumns, column = 2 * (static_cast<int>(i) % kMixColumns);
        mix->addWidget(m_mix[i], row, column);
        mix->addWidget(new TextLabel(words, TextStyle::Caption, Tone::Second), row, column + 1);
        connect(m_mix[i], &QSpinBox::valueChanged, this, &SettingsPage::refreshDirty);
    }
    mix->setColumnStretch(2 * kMixColumns, 1);
    rows.add({}, m_mixRow);
    connect(m_nextRule, &SegmentedControl::currentChanged, this, [this](int at) {
        m_mixRow->setEnabled(at == 1);
        refreshDirty();
    });
    rows.add(u"Votes aimed at"_s, m_quota);
    rows.add(u"Names"_s, m_reveal, u"Such votes are recorded as not blind."_s);
    m_save = new QuietButton(u"save"_s, u"Save the task"_s);
    m_save->setObjectName(u"save_task"_s);
    m_save->setEnabled(false);
    card->body()->addWidget(m_save, 0, Qt::AlignLeft);
    connect(m_save, &QPushButton::clicked, this, &SettingsPage::saveTask);
    connect(m_name, &QLineEdit::textEdited, this, &SettingsPage::refreshDirty);
    connect(m_question, &QLineEdit::textEdited, this, &SettingsPage::refreshDirty);
    connect(m_scale, &SegmentedControl::currentChanged, this, &SettingsPage::refreshDirty);
    connect(m_shows, &SegmentedControl::currentChanged, this, &SettingsPage::refreshDirty);
    connect(m_guideline, &QPlainTextEdit::textChanged, this, &SettingsPage::refreshDirty);
    connect(m_asked, &QPlainTextEdit::textChanged, this, &SettingsPage::refreshDirty);
    connect(m_rationale, &SegmentedControl::currentChanged, this, &SettingsPage::refreshDirty);
    connect(m_confirm, &QCheckBox::toggled, this, &SettingsPage::refreshDirty);
    connect(m_quota, &QSpinBox::valueChanged, this, &SettingsPage::refreshDirty);
    connect(m_reveal, &QCheckBox::toggled, this, &SettingsPage::refreshDirty);
    return card;
}

void SettingsPage::nameScales() {
    const KeyMap& keys = m_keys->keys();
    const auto list = [&](std::initializer_list<KeyId> ids) {
        QStringList all;
        for (const KeyId id : ids)
            all.append(keys.text(id));
        return all.join(u' ');
    };
    m_scaleKeys->setText(u"Simple: %1. 7-point: %2. Votes already given keep their strength; the scale only decides the keys."_s.arg(
        list({KeyId::SimpleA, KeyId::SimpleTie, KeyId::SimpleB}),
        list({KeyId::MuchA, KeyId::BetterA, KeyId::SlightA, KeyId::Tie, KeyId::SlightB, KeyId::BetterB, KeyId::MuchB})));
}

void SettingsPage::loadTask() {
    m_loading = true;
    m_name->setText(qstr(m_shown.name));
    m_question->setText(qstr(m_shown.question));
    m_scale->setCurrent(m_shown.scale == desk::Scale::Simple ? 0 : 1);
    m_shows->setCurrent(m_shown.view == "single" ? 1 : 0);
    m_guideline->setPlainText(qstr(m_shown.guideline));
    m_guidelineVersion->setText(u"Version %1"_s.arg(m_shown.guidelineVersion));
    m_quota->setValue(static_cast<int>(std::min<int64_t>(m_shown.quota, m_quota->maximum())));
    m_reveal->setChecked(m_shown.revealNames);
    m_asked->setPlainText(VoteForm::toLines(m_shown.attributes));
    const auto wants = [this](const char* part) {
        return std::find(m_shown.requiredParts.begin(), m_shown.requiredParts.end(), part) != m_shown.requiredParts.end();
    };
    m_rationale->setCurrent(wants("rationale") ? 2 : wants("rationale?") ? 1 : 0);
    m_confirm->setChecked(wants("confirm"));
    const auto mix = desk::QueueMix::of(m_shown.queueMix);
    m_nextRule->setCurrent(mix.empty() ? 0 : 1);
    m_mixRow->setEnabled(!mix.empty());
    for (size_t i = 0; i < desk::kMixed; ++i)
        m_mix[i]->setValue(mix.empty() ? kUsualMix[i] : static_cast<int>(std::lround(mix.shares[i] * 100)));
    m_loading = false;
    m_save->setEnabled(false);
}

void SettingsPage::refreshDirty() {
    if (!m_loading)
        m_save->setEnabled(true);
}

void SettingsPage::saveTask() {
    desk::Task task = m_shown;
    task.name = sstr(m_name->text().trimmed());
    task.question = sstr(m_question->text().trimmed());
    task.scale = m_scale->current() == 0 ? desk::Scale::Simple : desk::Scale::SevenPoint;
    if ((task.view == "single") != (m_shows->current() == 1))
        task.view = m_shows->current() == 1 ? "single" : "raw";
    task.guideline = sstr(m_guideline->toPlainText());
    task.quota = m_quota->value();
    task.revealNames = m_reveal->isChecked();
    auto asked = VoteForm::fromLines(m_asked->toPlainText());
    if (!asked) {
        m_message->setMessage(State::Failed, errorText(asked.error()));
        return;
    }
    task.attributes = std::move(*asked);
    std::erase_if(task.requiredParts, [](const std::string& part) { return part == "rationale" || part == "rationale?" || part == "confirm"; });
    if (m_rationale->current() > 0)
        task.requiredParts.push_back(m_rationale->current() == 2 ? "rationale" : "rationale?");
    if (m_confirm->isChecked())
        task.requiredParts.push_back("confirm");
    task.queueMix = Json::object();
    if (m_nextRule->current() == 1) {
        for (size_t i = 0; i < desk::kMixed; ++i)
            task.queueMix[desk::stratumName(static_cast<desk::Stratum>(i))] = m_mix[i]->value();
        if (desk::QueueMix::of(task.queueMix).empty()) {
            m_message->setMessage(State::Failed, u"A mix needs a share above 0 %."_s);
            return;
        }
    }
    m_save->setEnabled(false);
    m_context.ask(
        this,
        [task](desk::Project& p) -> Result<desk::Task> {
            PL_CHECK(p.updateTask(task));
            return p.task(task.id);
        },
        [this](Result<desk::Task> saved) {
            if (!saved) {
                m_save->setEnabled(true);
                m_message->setMessage(State::Failed, errorText(saved.error()));
                return;
            }
            m_shown = *saved;
            m_context.task = *saved;
            loadTask();
            m_message->setMessage(State::Done, u"The task is saved"_s);
            Q_EMIT m_context.signals.settingsChanged();
            Q_EMIT taskSaved();
        });
}

QWidget* SettingsPage::orders() {
    auto* card = new Card(u"Pairs kept ready"_s);
    Rows rows(card->body());
    m_orderOn = new QCheckBox(u"Write more when fewer are left"_s);
    m_orderTarget = new QSpinBox;
    m_orderTarget->setRange(10, 5000);
    m_orderTarget->setSingleStep(10);
    m_orderTarget->setSuffix(u" pairs"_s);
    m_orderTarget->setValue(150);
    rows.add(u"Keep ready"_s, m_orderTarget,
             u"Short jobs write them between training steps; which model writes is chosen on the Generate page."_s);
    rows.add({}, m_orderOn);
    m_orderOn->setAccessibleName(m_orderOn->text());
    connect(m_orderOn, &QCheckBox::toggled, this, &SettingsPage::saveOrder);
    connect(m_orderTarget, &QSpinBox::editingFinished, this, &SettingsPage::saveOrder);
    return card;
}

void SettingsPage::loadOrder() {
    m_context.ask(
        this, [](desk::Project& p) { return p.standingOrders(); },
        [this](Result<std::vector<desk::StandingOrder>> orders) {
            if (!orders) {
                m_message->setMessage(State::Failed, errorText(orders.error()));
                return;
            }
            const QSignalBlocker one(m_orderOn), two(m_orderTarget);
            m_order = {};
            m_order.task = m_context.task.id;
            m_order.enabled = false;
            for (const desk::StandingOrder& each : *orders)
                if (each.task == m_context.task.id)
                    m_order = each;
            m_orderOn->setChecked(m_order.enabled);
            m_orderTarget->setValue(static_cast<int>(m_order.target));
        });
}

void SettingsPage::saveOrder() {
    if (m_order.task == 0 || (m_order.enabled == m_orderOn->isChecked() && m_order.target == m_orderTarget->value()))
        return;
    m_order.enabled = m_orderOn->isChecked();
    m_order.target = m_orderTarget->value();
    m_context.ask(
        this, [order = m_order](desk::Project& p) { return p.setStandingOrder(order); },
        [this](Result<desk::Id> id) {
            if (!id) {
                m_message->setMessage(State::Failed, errorText(id.error()));
                return;
            }
            m_order.id = *id;
            m_message->setMessage(State::Done, m_order.enabled ? u"At least %1 pairs are kept ready"_s.arg(m_order.target)
                                                               : u"No pairs are written by themselves"_s);
        });
}

QWidget* SettingsPage::folders() {
    auto* card = new Card(u"Folders"_s);
    Rows rows(card->body());
    const auto folder = [&](const QString& name, const QString& path) {
        auto* line = new QWidget;
        auto* row = new QHBoxLayout(line);
        setNoMargins(row, Size::GapS);
        auto* text = new ElidedLabel(path, TextStyle::Mono);
        text->setElideMode(Qt::ElideMiddle);
        row->addWidget(text, 1);
        auto* open = new LinkButton(u"Open"_s);
        open->setAccessibleName(u"Open "_s + name);
        connect(open, &QPushButton::clicked, this, [path] { QDesktopServices::openUrl(QUrl::fromLocalFile(path)); });
        row->addWidget(open);
        rows.add(name, line, {}, true);
    };
    folder(u"Project"_s, m_context.projectDir);
    folder(u"Models"_s, m_context.projectDir + u"/models"_s);
    folder(u"Runs"_s, m_context.projectDir + u"/runs"_s);
    folder(u"Backups"_s, m_context.projectDir + u"/backups"_s);
    folder(u"Resources"_s, qstr(desk::resourcesDir()));
    return card;
}

QWidget* SettingsPage::plugins() {
    auto* card = new Card(u"Plugins"_s);
    const PluginCatalog& catalog = m_context.supervisor.catalog();
    auto* grid = new QGridLayout;
    grid->setHorizontalSpacing(px(Size::GapL));
    grid->setVerticalSpacing(px(Size::GapS));
    grid->setColumnStretch(2, 1);
    int row = 0;
    for (const Manifest& plugin : catalog.plugins) {
        grid->addWidget(new TextLabel(qstr(plugin.id), TextStyle::Mono), row, 0);
        grid->addWidget(new TextLabel(qstr(plugin.version), TextStyle::MonoCaption, Tone::Second), row, 1);
        grid->addWidget(new ElidedLabel(qstr(plugin.title)), row, 2);
        grid->addWidget(new TextLabel(QString::fromLatin1(pluginKindName(plugin.kind)), TextStyle::Caption, Tone::Second),
                        row++, 3);
    }
    card->body()->addLayout(grid);
    if (catalog.plugins.empty()) {
        auto* none = new TextLabel(u"No plugins were found: nothing can be generated or trained. They lie in lib/pairlab/plugins "
                                   u"beside the program, or in a folder of PAIRLAB_PLUGIN_PATH."_s,
                                   TextStyle::Body, Tone::Warn);
        none->setWordWrap(true);
        card->body()->addWidget(none);
    }
    for (const std::string& problem : catalog.problems) {
        auto* line = new QHBoxLayout;
        auto* icon = new QLabel;
        icon->setPixmap(iconPixmap(u"warning"_s, Tone::Warn, px(Size::IconSmall), devicePixelRatioF()));
        line->addWidget(icon, 0, Qt::AlignTop);
        auto* text = new TextLabel(qstr(problem), TextStyle::Body, Tone::Warn);
        text->setWordWrap(true);
        line->addWidget(text, 1);
        card->body()->addLayout(line);
    }
    auto* where = new TextLabel(u"Looked in: "_s + [] {
        QStringList all;
        for (const std::string& each : defaultPluginFolders())
            all.append(qstr(each));
        return all.join(u", "_s);
    }(),
                                TextStyle::Caption, Tone::Second);
    where->setWordWrap(true);
    card->body()->addWidget(where);
    return card;
}

} // namespace pl::ui
