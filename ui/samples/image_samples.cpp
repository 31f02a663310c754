// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/samples/image_samples.h"

#include <cmath>

#include <QComboBox>
#include <QStandardItemModel>
#include <QVBoxLayout>

#include "ui/shell/context.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr qint64 kCache = qint64{64} << 20; ///< of pictures, whatever the number of samples

QString figures(const RunSample& s) {
    QStringList parts;
    if (std::isfinite(s.reward))
        parts.append(u"reward "_s + formatNumber(s.reward, 3));
    if (std::isfinite(s.gold))
        parts.append(u"gold "_s + formatNumber(s.gold, 3));
    return parts.join(u" · "_s);
}

} // namespace

ImageSamples::ImageSamples(QWidget* parent) : QWidget(parent), m_loader(nullptr, kCache) {
    auto* outer = new QVBoxLayout(this);
    setNoMargins(outer, Size::GapS);
    m_browser = new PictureBrowser(&m_loader, Qt::Vertical);
    m_browser->grid()->setAccessibleName(u"Pictures by prompt and step"_s);
    outer->addWidget(m_browser, 1);
    m_against = new QComboBox(this);
    m_against->setAccessibleName(u"What an opened picture is put beside"_s);
    m_against->addItem(u"beside the first"_s, static_cast<int>(Against::Start));
    m_against->addItem(u"beside the one before"_s, static_cast<int>(Against::Previous));
    m_against->addItem(u"beside the other run"_s, static_cast<int>(Against::OtherRun));
    m_against->hide();
    connect(m_against, &QComboBox::currentIndexChanged, this, [this] { m_browser->refresh(); });
    m_browser->setPairs([this](int row, int column) { return pairAt(row, column); },
                        u"There is no second picture of this prompt to put beside it."_s);
}

QWidget* ImageSamples::chooser() const {
    return m_against;
}
Against ImageSamples::against() const {
    return static_cast<Against>(m_against->currentData().toInt());
}
void ImageSamples::setAgainst(Against against) {
    m_against->setCurrentIndex(m_against->findData(static_cast<int>(against)));
}

void ImageSamples::setTable(ImageSampleTable table, const QStringList& runs) {
    const bool fresh = runs != m_runs;
    const bool atEnd = m_table.columns.empty() ||
                       m_browser->grid()->currentColumn() + 1 == static_cast<int>(m_table.columns.size());
    m_table = std::move(table);
    m_runs = runs;
    if (auto* items = qobject_cast<QStandardItemModel*>(m_against->model()))
        items->item(static_cast<int>(Against::OtherRun))->setEnabled(runs.size() > 1);
    if (runs.size() < 2 && against() == Against::OtherRun)
        setAgainst(Against::Start);
    apply();
    // A second run is there to be compared; while one runs, the newest step stays in view.
    if (fresh && runs.size() > 1)
        setAgainst(Against::OtherRun);
    if (fresh || atEnd)
        m_browser->grid()->setCurrent(fresh ? 0 : m_browser->grid()->currentRow(), static_cast<int>(m_table.columns.size()) - 1);
    m_browser->refresh();
}

QString ImageSamples::columnWords(size_t column, bool withRun) const {
    const ImageColumn& c = m_table.columns[column];
    // A run that drew once is told apart by its models and draws.
    bool steps = false;
    for (const ImageColumn& each : m_table.columns)
        steps = steps || (each.run == c.run && each.step != c.step);
    const QString what = steps ? u"step "_s + formatCount(c.step)
                               : (c.tag.empty() || c.tag == "dev" ? u"picture %1"_s : qstr(c.tag) + u" · %1"_s).arg(c.draw + 1);
    return withRun ? m_runs.value(static_cast<qsizetype>(c.run)) + u'\n' + what : what;
}

std::optional<PicturePair> ImageSamples::pairAt(int row, int column) const {
    if (row < 0 || column < 0)
        return std::nullopt;
    const auto two = imagePair(m_table, static_cast<size_t>(row), static_cast<size_t>(column), against());
    if (!two)
        return std::nullopt;
    const ImageRow& r = m_table.rows[static_cast<size_t>(row)];
    PicturePair pair;
    pair.pathA = qstr(r.cells[two->first]->image);
    pair.pathB = qstr(r.cells[two->second]->image);
    pair.id = u"%1|%2|%3"_s.arg(row).arg(pair.pathA, pair.pathB);
    const auto words = [this](size_t c) {
        return (m_runs.size() > 1 ? m_runs.value(static_cast<qsizetype>(m_table.columns[c].run)) + u' ' : QString()) + columnWords(c, false);
    };
    pair.title = u"A %1  ·  B %2  ·  %3"_s.arg(words(two->first), words(two->second), qstr(r.prompt).simplified());
    return pair;
}

void ImageSamples::apply() {
    PictureTable table;
    table.rows = static_cast<int>(m_table.rows.size());
    table.columns = static_cast<int>(m_table.columns.size());
    table.title = [this](int row) { return qstr(m_table.rows[static_cast<size_t>(row)].prompt); };
    table.head = [this](int column) { return columnWords(static_cast<size_t>(column), m_runs.size() > 1); };
    table.cell = [this](int row, int column) -> Picture {
        const auto& cell = m_table.rows[static_cast<size_t>(row)].cells[static_cast<size_t>(column)];
        if (!cell)
            return {};
        Picture picture{qstr(cell->image), figures(*cell), {}, {}};
        const PictureGrid* grid = m_browser->grid();
        if (m_browser->isPairOpen() && row == grid->currentRow())
            if (const auto two = imagePair(m_table, static_cast<size_t>(row), static_cast<size_t>(grid->currentColumn()), against())) {
                if (two->first == static_cast<size_t>(column))
                    picture.side = Side::A;
                else if (two->second == static_cast<size_t>(column))
                    picture.side = Side::B;
            }
        return picture;
    };
    m_browser->grid()->setTable(std::move(table));
}

} // namespace pl::ui
