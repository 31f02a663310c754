// SPDX-License-Identifier: GPL-3.0-or-later
// The label page and what is marked on images.
#include "core/desk/domain/image_marks.h"
#include "ui/label/label_page.h"
#include "ui/label/region_tools.h"
#include "ui/widgets/image_view.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

void LabelPage::buildRegions() {
    m_regions = new RegionTools(m_view, this);
    connect(m_regions, &RegionTools::changed, this, [this] { refreshStrip(); });
    connect(m_regions, &RegionTools::left, this, [this] { setFocus(); });
    connect(m_regions, &RegionTools::said, this, [this](State state, const QString& words) { m_context.say(state, words); });
}

void LabelPage::showRegions() {
    // A task's reasons are what may be wrong with an image, too; without them its attributes.
    QStringList reasons, names;
    for (const DraftPart& part : VoteForm::of(m_context.task).parts) {
        if (part.kind == DraftPart::Kind::Reasons)
            reasons = part.chips;
        else if (part.kind != DraftPart::Kind::Rationale && !names.contains(part.name))
            names.append(part.name);
    }
    m_regions->setOwnTags(reasons.isEmpty() ? names : reasons);
    m_regions->setKeys(m_keys.text(KeyId::HideMarks));
    RegionTools::Pair pair;
    Json given;
    if (isImagePair() && m_at >= 0) {
        const Met& met = m_met[static_cast<size_t>(m_at)];
        pair = {met.item.comparison.id, met.item.presentation.aOnLeft, met.item.prompt.content, met.item.left().sha,
                met.item.right().sha, met.repeat};
    }
    if (m_at >= 0 && m_met[static_cast<size_t>(m_at)].judgement)
        given = m_met[static_cast<size_t>(m_at)].judgement->regions;
    m_regions->showPair(pair, given);
}

bool LabelPage::regionKey(int key, Qt::KeyboardModifiers modifiers) {
    if (!m_regions->isOn())
        return false;
    if (m_regions->key(key, modifiers)) // the focus is elsewhere
        return true;
    // One goes on looking at what one marks.
    if (const auto action = labelKey(m_keys, m_context.task.scale, key, modifiers, true)) {
        if (action->action == LabelAction::KeySheet || action->action == LabelAction::Guideline)
            return false;
        if (action->action != LabelAction::Regions && lookAtImages(action->action))
            return true;
    }
    m_context.say(State::Info, u"Not while images are marked: Esc goes back to the votes"_s);
    return true;
}

} // namespace pl::ui
