// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QStringList>

#include "ui/samples/sample_grid.h"
#include "ui/widgets/image_loader.h"
#include "ui/widgets/picture_browser.h"

class QComboBox;

namespace pl::ui {

/// The samples of one or two image runs as pictures: prompts down, steps (then the other run's) across; two of them on one view.
class ImageSamples : public QWidget {
    Q_OBJECT
public:
    explicit ImageSamples(QWidget* parent = nullptr);

    /// Names for the heads and titles, in the order of the table's runs.
    void setTable(ImageSampleTable table, const QStringList& runs);
    const ImageSampleTable& table() const { return m_table; }
    PictureBrowser* browser() const { return m_browser; }
    /// What an opened picture is put beside.
    QWidget* chooser() const;
    Against against() const;
    void setAgainst(Against against);

private:
    QString columnWords(size_t column, bool withRun) const;
    std::optional<PicturePair> pairAt(int row, int column) const;
    void apply();

    ImageSampleTable m_table;
    QStringList m_runs;
    ImageLoader m_loader;
    PictureBrowser* m_browser;
    QComboBox* m_against;
};

} // namespace pl::ui
