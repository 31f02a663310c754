// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/fit_card.h"

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
    auto* grid = new QGridLayout;
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(px(Size::GapXl));
    grid->setVerticalSpacing(px(Size::GapS));
    grid->addWidget(new TextLabel(u"All weights"_s, TextStyle::Caption, Tone::Second), 0, 1);
    grid->addWidget(new TextLabel(u"LoRA, rank %1"_s.arg(kRank), TextStyle::Caption, Tone::Second), 0, 2);
    int row = 1;
    for (const TrainMethod method : kTrainMethods) {
        grid->addWidget(new TextLabel(QString::fromLatin1(trainMethodName(method)), TextStyle::Body, Tone::Second), row, 0);
        for (int column : {1, 2}) {
            auto* cell = new StatusChip;
            grid->addWidget(cell, row, column, Qt::AlignLeft);
            m_cells.append(cell);
        }
        ++row;
    }
    grid->setColumnStretch(3, 1);
    body()->addLayout(grid);
    m_basis = new TextLabel({}, TextStyle::Caption, Tone::Hint);
    m_basis->setWordWrap(true);
    body()->addWidget(m_basis);
}

void FitCard::show(const ModelConfig& config, double memory) {
    qsizetype at = 0;
    for (const TrainMethod method : kTrainMethods)
        for (const bool adapters : {false, true}) {
            const MemoryEstimate e = estimateMemory(config, decided(config, MemoryPlan::usual(method, adapters ? kRank : 0), Checkpointing::Auto, memory));
            const Fit fit = fitOf(e.total(), memory);
            StatusChip* cell = m_cells[at++];
            cell->set(fit == Fit::Fits ? State::Done : fit == Fit::Tight ? State::Warning : State::Failed,
                      u"%1, %2"_s.arg(QString::fromLatin1(fitName(fit)), qstr(byteText(e.total()))));
            cell->setToolTip(partsOf(e));
            cell->setAccessibleName(u"%1, %2: %3"_s.arg(QString::fromLatin1(trainMethodName(method)),
                                                       adapters ? u"LoRA"_s : u"all weights"_s, cell->word()));
        }
    m_basis->setText(u"Of %1, in fp32, with each method's usual values; activation checkpointing where it does not fit otherwise. "
                     "Train shows it for those you choose."_s.arg(qstr(byteText(memory))));
}

} // namespace pl::ui
