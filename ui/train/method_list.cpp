// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/method_list.h"

#include <algorithm>

#include <QButtonGroup>
#include <QVBoxLayout>

#include "ui/shell/context.h"
#include "ui/train/train_parts.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr std::string_view kImagePrefix = "image_";

std::string twinOf(const std::string& id) {
    return id.rfind(kImagePrefix, 0) == 0 ? id.substr(kImagePrefix.size()) : std::string(kImagePrefix) + id;
}
} // namespace

MethodList::MethodList(std::vector<const Manifest*> methods) : m_methods(std::move(methods)) {
    static const std::vector<std::string> order = {"sft", "reward_model", "dpo", "grpo"};
    const auto place = [](const Manifest* m) {
        return std::find(order.begin(), order.end(), trainsImages(*m) ? twinOf(m->id) : m->id) - order.begin();
    };
    std::stable_sort(m_methods.begin(), m_methods.end(),
                     [&](const Manifest* a, const Manifest* b) { return place(a) < place(b); });
    setWidgetResizable(true);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setFixedWidth(kMethodsWidth + px(Size::GapM));
    auto* holder = new QWidget;
    m_column = new QVBoxLayout(holder);
    setNoMargins(m_column, Size::GapS);
    m_column->addWidget(new TextLabel(u"Method"_s, TextStyle::Heading));
    m_group = new QButtonGroup(this);
    for (size_t i = 0; i < m_methods.size(); ++i)
        m_group->addButton(new MethodCard(qstr(m_methods[i]->title), qstr(m_methods[i]->summary)), static_cast<int>(i));
    setWidget(holder);
    connect(m_group, &QButtonGroup::idClicked, this, [this](int i) { Q_EMIT chosen(m_methods[static_cast<size_t>(i)]->id); });
    arrange();
}

void MethodList::setModalities(const Modalities& modalities) {
    if (modalities.text == m_modalities.text && modalities.image == m_modalities.image &&
        modalities.imageFirst == m_modalities.imageFirst)
        return;
    m_modalities = modalities;
    arrange();
}

/// Two groups; each with its own word where both are there.
void MethodList::arrange() {
    while (m_column->count() > 1)
        delete m_column->takeAt(1); // the item: the card stays the holder's
    for (QWidget* words : m_words) {
        words->hide();
        words->deleteLater();
    }
    m_words.clear();
    const auto say = [this](const QString& text, TextStyle style) {
        auto* label = new TextLabel(text, style, Tone::Second);
        label->setWordWrap(true);
        m_words.append(label);
        m_column->addWidget(label);
    };
    const auto has = [this](bool image) {
        return std::any_of(m_methods.begin(), m_methods.end(), [image](const Manifest* m) { return trainsImages(*m) == image; });
    };
    const bool both = has(true) && has(false);
    for (const bool second : {false, true}) {
        const bool image = second != m_modalities.imageFirst;
        if (!has(image))
            continue;
        const bool fits = m_modalities.fits(image);
        if (both && (second || m_modalities.fits(!image)))
            say(image ? u"For images"_s : u"For texts"_s, TextStyle::Strong);
        if (!fits)
            say(image ? u"They train image models, and this project has none: add one on the Models page."_s
                      : u"They train language models, and this project has none: add one on the Models page."_s,
                TextStyle::Caption);
        for (size_t i = 0; i < m_methods.size(); ++i)
            if (trainsImages(*m_methods[i]) == image) {
                QAbstractButton* card = m_group->button(static_cast<int>(i));
                card->setEnabled(fits);
                m_column->addWidget(card);
                card->show();
            }
    }
    m_column->addStretch(1);
}

void MethodList::setCurrent(const std::string& id) {
    for (size_t i = 0; i < m_methods.size(); ++i)
        if (m_methods[i]->id == id)
            m_group->button(static_cast<int>(i))->setChecked(true);
}

const Manifest* MethodList::find(const std::string& id) const {
    const auto named = [this](const std::string& name) -> const Manifest* {
        for (const Manifest* m : m_methods)
            if (m->id == name)
                return m;
        return nullptr;
    };
    const Manifest* own = named(id);
    if (own && m_modalities.fits(trainsImages(*own)))
        return own;
    const Manifest* twin = named(twinOf(id));
    if (twin && m_modalities.fits(trainsImages(*twin)))
        return twin;
    return own ? own : m_methods.empty() ? nullptr : m_methods.front();
}

} // namespace pl::ui
