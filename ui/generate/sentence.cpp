// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/generate/sentence.h"

#include <algorithm>
#include <limits>

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QVBoxLayout>

#include "core/rules/image_taste.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr double kMostGuidance = 50;
constexpr int64_t kMostDrawn = 1024; ///< as the plugin's own limit of best_of

QComboBox* chooser(const QString& name, int width) {
    auto* box = new QComboBox;
    box->setAccessibleName(name);
    box->setMinimumWidth(width);
    box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    return box;
}
TextLabel* say(QHBoxLayout* row, const QString& text) {
    auto* label = new TextLabel(text);
    row->addWidget(label);
    return label;
}
} // namespace

QLineEdit* numberField(const QString& value, const QString& name, int width) {
    auto* field = new QLineEdit(value);
    field->setFont(textFont(TextStyle::Mono));
    field->setFixedWidth(width);
    field->setAccessibleName(name);
    return field;
}

SentenceCard::SentenceCard() : Card(u"Write answers"_s) {
    build();
    for (QLineEdit* field : {m_count, m_n, m_temperature, m_longest, m_steps, m_guidance, m_bestOf, m_seed})
        connect(field, &QLineEdit::textChanged, this, &SentenceCard::follow);
    for (QComboBox* box : {m_split, m_second, m_judge})
        connect(box, &QComboBox::currentIndexChanged, this, &SentenceCard::follow);
    connect(m_first, &QComboBox::currentIndexChanged, this, [this] {
        follow();
        Q_EMIT modelChanged();
    });
    connect(m_best, &QCheckBox::toggled, this, &SentenceCard::follow);
    connect(m_pairing, &SegmentedControl::currentChanged, this, &SentenceCard::follow);
    connect(m_trainJudge, &QPushButton::clicked, this, &SentenceCard::judgeWanted);
    fillJudges();
    follow();
}

void SentenceCard::build() {
    const auto line = [&] {
        auto* row = new QHBoxLayout;
        setNoMargins(row, Size::GapS);
        body()->addLayout(row);
        return row;
    };
    // What a language model and what an image model is asked, one of the two at a time.
    const auto group = [](QHBoxLayout* line, QWidget*& box) {
        box = new QWidget;
        auto* row = new QHBoxLayout(box);
        setNoMargins(row, Size::GapS);
        line->addWidget(box);
        return row;
    };
    auto* one = line();
    say(one, u"For"_s);
    m_count = numberField(u"200"_s, u"How many prompts"_s);
    one->addWidget(m_count);
    m_split = chooser(u"Which prompts"_s, 140);
    m_split->addItem(u"train prompts"_s, u"train"_s);
    m_split->addItem(u"dev prompts"_s, u"dev"_s);
    one->addWidget(m_split);
    m_verb = say(one, {});
    m_n = numberField(u"2"_s, u"Answers a prompt and model"_s, 48);
    one->addWidget(m_n);
    m_each = say(one, {});
    one->addStretch(1);
    auto* two = line();
    say(two, u"with"_s);
    m_first = chooser(u"Model"_s, 200);
    m_first->setPlaceholderText(u"no model yet"_s);
    two->addWidget(m_first);
    say(two, u"and"_s);
    m_second = chooser(u"Second model"_s, 200);
    two->addWidget(m_second);
    two->addStretch(1);
    auto* three = line();
    auto* text = group(three, m_textPart);
    say(text, u"at temperature"_s);
    m_temperature = numberField(u"0.8"_s, u"Temperature"_s, 56);
    text->addWidget(m_temperature);
    say(text, u"and at most"_s);
    m_longest = numberField(u"128"_s, u"Longest answer in tokens"_s, 56);
    text->addWidget(m_longest);
    say(text, u"tokens"_s);
    auto* image = group(three, m_imagePart);
    say(image, u"in"_s);
    m_steps = numberField(u"8"_s, u"Sampling steps"_s, 56);
    image->addWidget(m_steps);
    say(image, u"steps with guidance"_s);
    m_guidance = numberField(u"2"_s, u"Guidance"_s, 56);
    image->addWidget(m_guidance);
    say(three, u"seed"_s);
    m_seed = numberField(u"1"_s, u"Seed"_s);
    three->addWidget(m_seed);
    three->addStretch(1);
    auto* best = group(line(), m_bestPart);
    buildBestOf(best);
    auto* four = line();
    say(four, u"and pair them"_s);
    m_pairing = new SegmentedControl({u"Within model"_s, u"Across models"_s, u"Not at all"_s});
    m_pairing->setAccessibleName(u"How answers become pairs"_s);
    four->addWidget(m_pairing);
    four->addStretch(1);
}

void SentenceCard::buildBestOf(QHBoxLayout* row) {
    m_best = new QCheckBox(u"the best of"_s);
    m_best->setToolTip(u"Draws so many for each prompt and keeps those with the highest scores"_s);
    row->addWidget(m_best);
    m_bestOf = numberField(u"8"_s, u"Drawn for each prompt and model"_s, 56);
    row->addWidget(m_bestOf);
    say(row, u"drawn, chosen by"_s);
    m_judge = chooser(u"Who chooses"_s, 200);
    m_judge->setPlaceholderText(u"choose who judges"_s);
    row->addWidget(m_judge);
    m_trainJudge = new LinkButton(u"Train a reward model"_s);
    m_trainJudge->setToolTip(u"No image reward model yet: one is trained from your votes on the Train page"_s);
    row->addWidget(m_trainJudge);
    row->addStretch(1);
}

void SentenceCard::setKnown(std::vector<desk::ModelChoice> models, const Usable& usable, const QString& wanted) {
    m_models = std::move(models);
    m_usable = usable;
    m_known = true;
    const QString first = m_first->currentData().toString(), second = m_second->currentData().toString();
    const auto fill = [&](QComboBox* box, bool none, const QString& before) {
        const QSignalBlocker block(box);
        box->clear();
        if (none)
            box->addItem(u"nobody else"_s, QString());
        for (const desk::ModelChoice& c : m_models)
            if (!c.rewardModel)
                box->addItem(qstr(c.label), qstr(c.text));
        box->setCurrentIndex(std::max(0, box->findData(before)));
    };
    fill(m_first, false, first.isEmpty() ? u"start"_s : first);
    fill(m_second, true, second);
    fillJudges();
    if (!wanted.isEmpty())
        for (int i = 0; i < m_first->count(); ++i)
            if (const QString text = m_first->itemData(i).toString(); text == wanted || text.startsWith(wanted + u'@')) {
                m_first->setCurrentIndex(i);
                break;
            }
    follow();
}

/// Reward models, the newest chosen; then tastes, which are rules and no one's votes: never chosen for the person.
void SentenceCard::fillJudges() {
    const QSignalBlocker block(m_judge);
    const QString before = m_judge->currentData().toString();
    m_judge->clear();
    m_haveJudge = false;
    int newest = -1;
    int64_t newestRun = -1;
    for (const desk::ModelChoice& c : m_models) {
        if (!c.rewardModel || !c.image)
            continue;
        m_haveJudge = true;
        m_judge->addItem(qstr(c.label), qstr(c.text));
        if (c.control.empty() && c.run > newestRun) { // the first of a run is its best checkpoint
            newest = m_judge->count() - 1;
            newestRun = c.run;
        }
    }
    for (const std::string& taste : rules::imageTasteNames())
        m_judge->addItem(u"gold rule "_s + qstr(taste), qstr(taste));
    const int known = before.isEmpty() ? -1 : m_judge->findData(before);
    m_judge->setCurrentIndex(known >= 0 ? known : newest);
}

void SentenceCard::follow() {
    const desk::ModelChoice* first = model();
    const bool image = first && first->image;
    setTitle(image ? u"Draw pictures"_s : u"Write answers"_s);
    m_verb->setText(image ? u"draw"_s : u"write"_s);
    m_n->setAccessibleName(image ? u"Pictures a prompt and model"_s : u"Answers a prompt and model"_s);
    m_each->setText(image ? m_best->isChecked() ? u"pictures each:"_s : u"pictures each"_s : u"answers each"_s);
    m_textPart->setVisible(!image);
    m_imagePart->setVisible(image);
    m_bestPart->setVisible(image);
    m_bestOf->setEnabled(m_best->isChecked());
    m_judge->setEnabled(m_best->isChecked());
    m_trainJudge->setVisible(m_best->isChecked() && m_known && !m_haveJudge);
    m_pairing->setSegmentEnabled(1, !m_second->currentData().toString().isEmpty(), u"Choose a second model first"_s);
    Q_EMIT changed();
}

const desk::ModelChoice* SentenceCard::model() const {
    const QString text = m_first->currentData().toString();
    for (const desk::ModelChoice& c : m_models)
        if (!text.isEmpty() && qstr(c.text) == text)
            return &c;
    return nullptr;
}

int SentenceCard::pairing() const {
    return m_pairing->current();
}

void SentenceCard::advanceSeed() {
    m_seed->setText(QString::number(m_seed->text().toULongLong() + 1));
}

Sentence SentenceCard::read() const {
    Sentence s;
    const auto refuse = [&](const QString& why) {
        if (s.problem.isEmpty())
            s.problem = why;
    };
    const auto whole = [&](QLineEdit* field, int64_t low, int64_t high) {
        bool ok = false;
        const qlonglong v = field->text().trimmed().toLongLong(&ok);
        if (!ok || v < low || v > high)
            refuse(u"%1 must be a whole number from %2 to %3"_s.arg(field->accessibleName()).arg(low).arg(high));
        return static_cast<int64_t>(v);
    };
    const auto real = [&](QLineEdit* field, double high) {
        bool ok = false;
        const double v = field->text().trimmed().toDouble(&ok);
        if (!ok || !(v >= 0 && v <= high))
            refuse(u"%1 must be a number from 0 to %2"_s.arg(field->accessibleName()).arg(high));
        return v;
    };
    s.prompts = whole(m_count, 1, 1000000);
    s.n = whole(m_n, 1, 64);
    const desk::ModelChoice* first = model();
    s.image = first && first->image;
    if (s.image) {
        s.steps = whole(m_steps, 1, 1000);
        s.guidance = real(m_guidance, kMostGuidance);
    } else {
        s.longest = whole(m_longest, 1, 32768);
        s.temperature = real(m_temperature, 10);
    }
    if (s.image && m_best->isChecked()) {
        s.bestOf = whole(m_bestOf, 2, kMostDrawn);
        s.judge = m_judge->currentData().toString();
        if (s.judge.isEmpty())
            refuse(m_haveJudge ? u"Choose who judges: a reward model or a taste"_s
                               : u"No image reward model yet: train one from your votes on the Train page, or let a gold rule "
                                 u"choose"_s);
        if (s.bestOf <= s.n)
            refuse(u"The best %1 of %2 leaves no choice: draw more or keep fewer"_s.arg(s.n).arg(s.bestOf));
    }
    s.seed = static_cast<uint64_t>(whole(m_seed, 0, std::numeric_limits<int64_t>::max()));
    s.models = m_second->currentData().toString().isEmpty() ? 1 : 2;
    if (pairing() == 1 && s.models < 2)
        refuse(u"Choose a second model to pair across models"_s);
    if (pairing() == 0 && s.n < 2)
        refuse(s.image ? u"One picture a prompt makes no pair within a model"_s
                       : u"One answer a prompt makes no pair within a model"_s);
    if (pairing() == 0 && !s.image && s.temperature == 0)
        refuse(u"At temperature 0 both answers are the same"_s);
    if (!first)
        refuse(u"No model yet: add a folder on the Models page"_s);
    const desk::PromptCount& usable = m_usable[s.image];
    const int64_t there = m_split->currentIndex() == 0 ? usable.train : usable.dev;
    if (m_known && there == 0)
        refuse(u"No %1 yet: import some on the Data page"_s.arg(m_split->currentText()));
    s.prompts = m_known ? std::min(s.prompts, there) : s.prompts;
    return s;
}

desk::GenerateRequest SentenceCard::request(const Sentence& s) const {
    desk::GenerateRequest r;
    r.models = {sstr(m_first->currentData().toString())};
    if (s.models > 1)
        r.models.push_back(sstr(m_second->currentData().toString()));
    r.split = m_split->currentIndex() == 0 ? desk::Split::Train : desk::Split::Dev;
    r.prompts = s.prompts;
    r.n = s.n;
    r.parameters = s.image ? Json{{"steps", s.steps}, {"guidance", s.guidance}}
                           : Json{{"temperature", s.temperature}, {"max_new_tokens", s.longest}};
    r.bestOf = s.bestOf;
    r.judge = sstr(s.judge);
    r.seed = s.seed;
    r.acrossModels = pairing() == 1;
    r.makePairs = pairing() != 2;
    r.shortJob = true;
    return r;
}

} // namespace pl::ui
