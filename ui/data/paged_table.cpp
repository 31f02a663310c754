// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/paged_table.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLineEdit>
#include <QShortcut>
#include <QTableView>
#include <QTimer>
#include <QVBoxLayout>

#include "ui/data/pictures.h"
#include "ui/theme/theme.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kPageRows = 200;
constexpr size_t kPagesKept = 40;
constexpr int kFilterDelayMs = 180;
} // namespace

PagedModel::PagedModel(Context& context, QList<TableColumn> columns, PagedSource source, QObject* parent)
    : QAbstractTableModel(parent), m_context(context), m_columns(std::move(columns)), m_source(std::move(source)) {}

void PagedModel::setFilter(const QString& filter) {
    if (filter == m_filter)
        return;
    m_filter = filter;
    reload();
}

void PagedModel::reload() {
    const int generation = ++m_generation;
    struct First {
        Result<int64_t> count;
        Result<std::vector<DataRow>> rows;
    };
    m_context.ask(
        this,
        [source = m_source, filter = m_filter](desk::Project& p) {
            return First{source.count(p, filter), source.rows(p, filter, 0, kPageRows)};
        },
        [this, generation](First first) {
            if (generation != m_generation)
                return;
            if (!first.count || !first.rows) {
                Q_EMIT failed(errorText(first.count ? first.rows.error() : first.count.error()));
                return;
            }
            beginResetModel();
            m_pages.clear();
            m_asked.clear();
            m_total = *first.count;
            // A count that is not exact never hides rows that are there.
            if (static_cast<int64_t>(first.rows->size()) < kPageRows)
                m_total = static_cast<int64_t>(first.rows->size());
            m_pages[0] = std::move(*first.rows);
            m_loaded = true;
            endResetModel();
            lookForPictures(m_pages[0]);
            Q_EMIT loaded();
        });
}

void PagedModel::request(int page) const {
    if (!m_asked.insert(page).second)
        return;
    const int generation = m_generation;
    auto* self = const_cast<PagedModel*>(this);
    m_context.ask(
        self,
        [source = m_source, filter = m_filter, page](desk::Project& p) {
            return source.rows(p, filter, int64_t{page} * kPageRows, kPageRows);
        },
        [self, page, generation](Result<std::vector<DataRow>> rows) {
            if (generation != self->m_generation)
                return;
            self->m_asked.erase(page);
            if (!rows) {
                Q_EMIT self->failed(errorText(rows.error()));
                return;
            }
            if (self->m_pages.size() > kPagesKept) {
                // The page farthest from this one goes.
                auto far = std::abs(self->m_pages.begin()->first - page) > std::abs(self->m_pages.rbegin()->first - page)
                               ? self->m_pages.begin()
                               : std::prev(self->m_pages.end());
                self->m_pages.erase(far);
            }
            self->m_pages[page] = std::move(*rows);
            const int first = page * kPageRows;
            Q_EMIT self->dataChanged(self->index(first, 0),
                                     self->index(std::min<int>(first + kPageRows, self->rowCount()) - 1,
                                                 self->columnCount() - 1));
            self->lookForPictures(self->m_pages[page]);
        });
}

desk::Id PagedModel::idAt(int row) const {
    const auto page = m_pages.find(row / kPageRows);
    const auto at = static_cast<size_t>(row % kPageRows);
    return row < 0 || page == m_pages.end() || at >= page->second.size() ? 0 : page->second[at].id;
}
int PagedModel::rowOf(desk::Id id) const {
    for (const auto& [page, rows] : m_pages)
        for (size_t i = 0; i < rows.size(); ++i)
            if (rows[i].id == id)
                return page * kPageRows + static_cast<int>(i);
    return -1;
}
void PagedModel::lookForPictures(const std::vector<DataRow>& rows) {
    if (m_hasPictures || std::all_of(rows.begin(), rows.end(), [](const DataRow& row) { return row.pictures.isEmpty(); }))
        return;
    m_hasPictures = true;
    Q_EMIT headerDataChanged(Qt::Horizontal, 0, columnCount() - 1);
    Q_EMIT picturesFound();
}
int PagedModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(std::min<int64_t>(m_total, 50'000'000));
}
int PagedModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_columns.size());
}
QVariant PagedModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid())
        return {};
    const TableColumn& column = m_columns[index.column()];
    if (role == Qt::FontRole)
        return textFont(column.number || column.mono ? TextStyle::Mono : TextStyle::Body);
    if (role == Qt::TextAlignmentRole)
        return QVariant(Qt::AlignVCenter | (column.number ? Qt::AlignRight : Qt::AlignLeft));
    const auto page = m_pages.find(index.row() / kPageRows);
    const auto at = static_cast<size_t>(index.row() % kPageRows);
    if (page == m_pages.end() || at >= page->second.size()) {
        if (page == m_pages.end())
            request(index.row() / kPageRows);
        if (role == Qt::DisplayRole)
            return u"–"_s;
        return role == Qt::ForegroundRole ? QVariant(color(Tone::Hint)) : QVariant();
    }
    const DataRow& row = page->second[at];
    switch (role) {
    case Qt::DisplayRole: return row.cells.value(index.column()).simplified().left(400);
    case Qt::UserRole: return column.pictures ? QVariant(row.pictures) : column.captioned ? QVariant(row.caption) : QVariant();
    case Qt::ToolTipRole: return row.tip.isEmpty() ? QVariant() : QVariant(row.tip.left(1000).toHtmlEscaped());
    case Qt::ForegroundRole: return row.quiet ? QVariant(color(Tone::Second)) : QVariant();
    default: return {};
    }
}
QVariant PagedModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section >= m_columns.size())
        return {};
    const TableColumn& column = m_columns[section];
    switch (role) {
    case Qt::DisplayRole: return column.imageTitle.isEmpty() || !hasPictures() ? column.title : column.imageTitle;
    case Qt::FontRole: return textFont(TextStyle::Caption);
    case Qt::TextAlignmentRole: return QVariant(Qt::AlignVCenter | (column.number ? Qt::AlignRight : Qt::AlignLeft));
    case Qt::ToolTipRole: return column.tip.isEmpty() ? QVariant() : QVariant(column.tip.toHtmlEscaped());
    default: return {};
    }
}

PagedTable::PagedTable(Context& context, QList<TableColumn> columns, PagedSource source, const QString& filterHint)
    : m_model(new PagedModel(context, columns, std::move(source), this)), m_columns(columns) {
    auto* column = new QVBoxLayout(this);
    setNoMargins(column, Size::GapS);
    m_bar = new QHBoxLayout;
    setNoMargins(m_bar, Size::GapS);
    m_filter = new QLineEdit;
    m_filter->setPlaceholderText(filterHint);
    m_filter->setAccessibleName(filterHint);
    m_filter->setClearButtonEnabled(true);
    m_filter->addAction(themeIcon(u"filter"_s, Tone::Hint), QLineEdit::LeadingPosition);
    m_filter->installEventFilter(this);
    m_count = new TextLabel({}, TextStyle::MonoCaption, Tone::Second);
    m_bar->addWidget(m_filter, 1);
    m_bar->addWidget(m_count);
    column->addLayout(m_bar);
    m_view = new QTableView;
    m_view->setModel(m_model);
    m_view->horizontalHeader()->setHighlightSections(false);
    m_view->horizontalHeader()->setFixedHeight(px(Size::Row));
    m_view->verticalHeader()->hide();
    m_view->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    m_view->verticalHeader()->setMinimumSectionSize(px(Size::Row));
    m_view->verticalHeader()->setDefaultSectionSize(px(Size::Row));
    m_view->setShowGrid(false);
    m_view->setWordWrap(false);
    m_view->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_view->setSelectionMode(QAbstractItemView::SingleSelection);
    m_view->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_view->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setTabKeyNavigation(false);
    for (int i = 0; i < columns.size(); ++i) {
        if (columns[i].stretch)
            m_view->horizontalHeader()->setSectionResizeMode(i, QHeaderView::Stretch);
        else
            m_view->setColumnWidth(i, std::max(columns[i].width,
                                               QFontMetrics(textFont(TextStyle::Caption))
                                                       .horizontalAdvance(columns[i].title) +
                                                   2 * px(Size::GapM)));
    }
    column->addWidget(m_view, 1);
    m_none = new TextLabel({}, TextStyle::Body, Tone::Second);
    auto* overlay = new QVBoxLayout(m_view->viewport());
    overlay->addWidget(m_none, 1, Qt::AlignCenter);
    m_none->hide();
    m_delay = new QTimer(this);
    m_delay->setSingleShot(true);
    m_delay->setInterval(kFilterDelayMs);
    connect(m_delay, &QTimer::timeout, this, [this] { m_model->setFilter(m_filter->text().trimmed()); });
    connect(m_filter, &QLineEdit::textChanged, m_delay, qOverload<>(&QTimer::start));
    connect(m_model, &PagedModel::loaded, this, [this] {
        m_count->setText(formatCount(m_model->total()));
        m_none->setText(m_filter->text().isEmpty() ? m_nothing : u"No row passes the filter"_s);
        m_none->setVisible(m_model->total() == 0 && !m_none->text().isEmpty());
        // The selection survives a reload as long as its row is loaded.
        const int row = m_last ? m_model->rowOf(m_last) : -1;
        if (row >= 0)
            m_view->selectRow(row);
    });
    connect(m_model, &PagedModel::picturesFound, this, [this] { fitPictures(); });
    connect(m_view->selectionModel(), &QItemSelectionModel::currentRowChanged, this, [this](const QModelIndex& now) {
        const desk::Id id = m_model->idAt(now.row());
        if (!id || id == m_last)
            return;
        m_last = id;
        Q_EMIT currentChanged(id);
    });
    auto* find = new QShortcut(QKeySequence::Find, this);
    find->setContext(Qt::WidgetWithChildrenShortcut);
    connect(find, &QShortcut::activated, this, [this] { m_filter->setFocus(Qt::ShortcutFocusReason); });
}

void PagedTable::showPictures(ImageLoader* loader) {
    auto* delegate = new PictureDelegate(loader, m_view);
    for (int i = 0; i < m_columns.size(); ++i)
        if (m_columns[i].pictures)
            m_view->setItemDelegateForColumn(i, delegate);
        else if (m_columns[i].captioned)
            m_view->setItemDelegateForColumn(i, new CaptionDelegate(m_view));
    fitPictures();
}

void PagedTable::fitPictures() {
    for (int i = 0; i < m_columns.size(); ++i)
        if (m_columns[i].pictures)
            m_view->setColumnHidden(i, !m_model->hasPictures());
    m_view->verticalHeader()->setDefaultSectionSize(m_model->hasPictures() ? PictureDelegate::kSide + px(Size::GapS) : px(Size::Row));
}

void PagedTable::addTool(QWidget* widget) {
    m_bar->addWidget(widget);
}
desk::Id PagedTable::currentId() const {
    return m_view->currentIndex().isValid() ? m_model->idAt(m_view->currentIndex().row()) : 0;
}
void PagedTable::setFilterVisible(bool visible) {
    m_filter->setVisible(visible);
}
void PagedTable::clearSelection() {
    m_last = 0;
    m_view->setCurrentIndex({});
}

bool PagedTable::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_filter && event->type() == QEvent::KeyPress) {
        const int key = static_cast<QKeyEvent*>(event)->key();
        if (key == Qt::Key_Down) {
            m_view->setFocus(Qt::OtherFocusReason);
            if (!m_view->currentIndex().isValid() && m_model->rowCount() > 0)
                m_view->selectRow(0);
            return true;
        }
        if (key == Qt::Key_Return || key == Qt::Key_Enter) {
            m_delay->stop();
            m_model->setFilter(m_filter->text().trimmed());
            return true;
        }
        if (key == Qt::Key_Escape && !m_filter->text().isEmpty()) {
            m_filter->clear();
            return true;
        }
    }
    return QWidget::eventFilter(watched, event);
}

} // namespace pl::ui
