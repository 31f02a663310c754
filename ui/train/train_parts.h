// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractButton>
#include <QString>
#include <QStringList>

#include "ui/train/doctor.h"

class QLayout;

namespace pl::ui {

constexpr int kMethodsWidth = 232;

/// A method to choose: its title on as many lines as it takes (two), and what it does in two; the tooltip has both whole.
class MethodCard : public QAbstractButton {
    Q_OBJECT
public:
    MethodCard(QString title, QString summary);
    QSize sizeHint() const override;
    /// The title as it is drawn on a card of this width.
    QStringList titleLines(int width) const;

protected:
    void paintEvent(QPaintEvent*) override;

private:
    QString m_summary;
};

/// Icon, title and detail of one finding.
QWidget* findingRow(const Finding& f);
/// Takes everything out of a layout of widgets; they go at the next turn of the event loop.
void clearLayout(QLayout* layout);

} // namespace pl::ui
