// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <vector>

#include "core/base/devices.h"
#include "core/base/model_config.h"
#include "ui/widgets/basics.h"

class QGridLayout;

namespace pl::ui {

/// Which methods can train a language model in the memory of each device: methods down, all weights or adapters across, and for
/// each a word a kind of device beside the memory it needs. What is counted in a cell is its tooltip.
class FitCard : public Card {
    Q_OBJECT
public:
    explicit FitCard(QWidget* parent = nullptr);
    void show(const ModelConfig& config, const std::vector<Device>& devices);

private:
    void build(const std::vector<DeviceKind>& kinds);

    std::vector<DeviceKind> m_kinds;  ///< that the columns are for
    QWidget* m_table = nullptr;
    QList<TextLabel*> m_amounts;      ///< where there are several devices: of all weights, then of adapters
    QList<StatusChip*> m_cells;       ///< in the same order, for each method one a device
    TextLabel* m_basis;
};

} // namespace pl::ui
