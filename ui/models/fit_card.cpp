// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/fit_card.h"

#include <algorithm>

#include <QGridLayout>
#include <QVBoxLayout>

#include "core/base/amounts.h"
#include "core/base/memory_estimate.h"
#include "ui/shell/context.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int64_t kRank = 16;

QString partsOf(const MemoryEstimate& e) {
    QStringList parts;
    const auto add = [&](const QString& what, double bytes) {
        if (bytes > 0)
            parts.append(u"%1 %2"_s.arg(qstr(byteText(bytes)), what));
    };
    add(u"weights"_s, e.weights);
    add(u"gradients"_s, e.gradients);
    add(u"optimiser"_s, e.optimizer);
    add(u"reference"_s, e.reference);
    add(u"activations"_s, e.activations);
    add(u"logits"_s, e.head);
    add(u"program"_s, e.program);
    return parts.join(u'\n');
}

} // namespace

FitCard::FitCard(QWidget* parent) : Card(u"Training it on this machine"_s, parent) {
    m_basis = new TextLabel({}, TextStyle::Caption, Tone::Hint);
    m_basis->setWordWrap(true);
    body()->addWidget(m_basis);
}

void FitCard::build(const std::vector<DeviceKind>& kinds) {
    const auto same = [](const DeviceKind& a, const DeviceKind& b) { return a.label == b.label; };
    if (m_table && std::equal(kinds.begin(), kinds.end(), m_kinds.begin(), m_kinds.end(), same))
        return;
    delete m_table;
    m_cells.clear();
    m_amounts.clear();
    m_table = new QWidget;
    auto* grid = new QGridLayout(m_table);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(px(kinds.size() > 1 ? Size::GapM : Size::GapXl));
    grid->setVerticalSpacing(px(Size::GapS));
    const bool several = kinds.size() > 1, below = kinds.size() > 2; // side by side as long as there is room
    const int devices = static_cast<int>(kinds.size()), wide = devices + (several ? 2 : 0); // the amount before, a gap behind
    const int heads = several ? 2 : 1, high = heads + static_cast<int>(kTrainMethods.size());
    for (const bool adapters : {false, true}) {
        const int top = adapters && below ? high : 0, left = 1 + (adapters && !below ? wide : 0);
        grid->addWidget(new TextLabel(adapters ? u"LoRA, rank %1"_s.arg(kRank) : u"All weights"_s, TextStyle::Caption, Tone::Second), top,
                        below ? 0 : left, 1, below ? left + wide : wide);
        for (int d = 0; several && d < devices; ++d)
            grid->addWidget(new TextLabel(qstr(kinds[static_cast<size_t>(d)].label), TextStyle::Caption, Tone::Hint), top + 1, left + 1 + d);
        int row = top + heads;
        for (const TrainMethod method : kTrainMethods) {
            if (!adapters || below)
                grid->addWidget(new TextLabel(QString::fromLatin1(trainMethodName(method)), TextStyle::Body, Tone::Second), row, 0);
            int column = left;
            if (several) {
                auto* amount = new TextLabel;
                grid->addWidget(amount, row, column++, Qt::AlignRight | Qt::AlignVCenter);
                m_amounts.append(amount);
            }
            for (int d = 0; d < devices; ++d) {
                auto* cell = new StatusChip;
                grid->addWidget(cell, row, column++, Qt::AlignLeft);
                m_cells.append(cell);
            }
            ++row;
        }
    }
    if (several && !below)
        grid->setColumnMinimumWidth(wide, px(Size::GapM));
    grid->setColumnStretch(1 + 2 * wide, 1);
    body()->insertWidget(body()->indexOf(m_basis), m_table);
    m_kinds = kinds;
}

void FitCard::show(const ModelConfig& config, const std::vector<Device>& found) {
    const auto kinds = deviceKinds(found.empty() ? std::vector<Device>{cpuDevice()} : found);
    build(kinds);
    const bool several = kinds.size() > 1;
    qsizetype at = 0, line = 0;
    for (const bool adapters : {false, true})
        for (const TrainMethod method : kTrainMethods) {
            const MemoryPlan plan = MemoryPlan::usual(method, adapters ? kRank : 0);
            const QString name = QString::fromLatin1(trainMethodName(method));
            if (several) { // without checkpointing, which each device decides for itself
                const MemoryEstimate plain = estimateMemory(config, plan);
                m_amounts[line]->setText(qstr(byteText(plain.total())));
                m_amounts[line++]->setToolTip(partsOf(plain));
            }
            for (const DeviceKind& kind : kinds) {
                const auto memory = static_cast<double>(kind.device.total);
                const MemoryEstimate e = estimateMemory(config, decided(config, plan.on(kind.device.name), Checkpointing::Auto, memory));
                const QString bytes = qstr(byteText(e.total()));
                const Fit fit = fitOf(e.total(), memory);
                StatusChip* cell = m_cells[at++];
                const QString word = QString::fromLatin1(fitName(fit));
                cell->set(fit == Fit::Fits ? State::Done : fit == Fit::Tight ? State::Warning : State::Failed,
                          several ? word : u"%1, %2"_s.arg(word, bytes));
                cell->setToolTip(partsOf(e));
                cell->setAccessibleName(u"%1, %2%3: %4, %5"_s.arg(name, adapters ? u"LoRA"_s : u"all weights"_s,
                                                                  several ? u", "_s + qstr(kind.label) : QString(), word, bytes));
            }
        }
    QStringList memory;
    for (const DeviceKind& kind : kinds)
        memory.append(several ? u"%1 (%2) has %3"_s.arg(qstr(kind.label), qstr(kind.device.title), qstr(byteText(static_cast<double>(kind.device.total))))
                              : u"Of %1"_s.arg(qstr(byteText(static_cast<double>(kind.device.total)))));
    m_basis->setText(several ? u"%1. In fp32, with each method's usual values, activation checkpointing where it does not fit otherwise; Train shows it for those you choose."_s.arg(memory.join(u"; "_s))
                             : u"%1, in fp32, with each method's usual values; activation checkpointing where it does not fit otherwise. Train shows it for those you choose."_s.arg(memory.join(QString())));
}

} // namespace pl::ui
