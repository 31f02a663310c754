// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/model_config.h"
#include "ui/widgets/basics.h"

namespace pl::ui {

/// Which methods can train a language model in this machine's memory: methods down, all weights or adapters across, each with a
/// word and the memory it needs. What is counted in a cell is its tooltip.
class FitCard : public Card {
    Q_OBJECT
public:
    explicit FitCard(QWidget* parent = nullptr);
    /// `memory` in bytes.
    void show(const ModelConfig& config, double memory);

private:
    QList<StatusChip*> m_cells; ///< two a method
    TextLabel* m_basis;
};

} // namespace pl::ui
