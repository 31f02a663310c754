// SPDX-License-Identifier: GPL-3.0-or-later
// The left side of the Train page.
#pragma once

#include <string>
#include <vector>

#include <QList>
#include <QScrollArea>

#include "ui/train/run_cost.h"

class QButtonGroup;
class QVBoxLayout;

namespace pl::ui {

/// What a project can train, by the models it has.
struct Modalities {
    bool text = true, image = false;
    bool imageFirst = false; ///< the model to start from makes images
    /// Of the project as far as that is not known yet, too: whatever is shown first.
    bool fits(bool image_) const { return image_ ? image : text; }
};

/// The methods as cards, those for the project's models first; the others below say what is missing and cannot be chosen.
class MethodList : public QScrollArea {
    Q_OBJECT
public:
    /// The manifests must outlive the list.
    explicit MethodList(std::vector<const Manifest*> methods);
    const std::vector<const Manifest*>& methods() const { return m_methods; }
    void setModalities(const Modalities& modalities);
    void setCurrent(const std::string& id);
    /// The method of this id or, when the project has no model for it, its twin for the other kind of model
    /// ("reward_model" and "image_reward_model"); the first one when there is none of that name.
    const Manifest* find(const std::string& id) const;

Q_SIGNALS:
    void chosen(const std::string& id);

private:
    void arrange();
    std::vector<const Manifest*> m_methods;
    QButtonGroup* m_group;
    QVBoxLayout* m_column;
    QList<QWidget*> m_words;
    Modalities m_modalities;
};

} // namespace pl::ui
