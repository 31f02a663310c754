// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/detail_table.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QHeaderView>
#include <QItemSelectionModel>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QScrollBar>
#include <QShortcut>
#include <QSortFilterProxyModel>
#include <QVBoxLayout>

#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

TableModel::TableModel(QList<TableColumn> columns, Cell cell, QObject* parent)
    : QAbstractTableModel(parent)
    , m_columns(std::move(columns))
    , m_cell(std::move(cell)) {}

void TableModel::reset(int rows) {
    beginResetModel();
    m_rows = rows;
    endResetModel();
}
void TableModel::appendTo(int rows) {
    if (rows <= m_rows)
        return;
    beginInsertRows({}, m_rows, rows - 1);
    m_rows = rows;
    endInsertRows();
}
void TableModel::changed(int first, int last) {
    if (first <= last && last < m_rows)
        Q_EMIT dataChanged(index(first, 0), index(last, static_cast<int>(m_columns.size()) - 1));
}
int TableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : m_rows;
}
int TableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_columns.size());
}

QVariant TableModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= m_rows || index.column() >= m_columns.size())
        return {};
    const TableColumn& column = m_columns[index.column()];
    QVariant value = m_cell(index.row(), index.column(), role);
    switch (role) {
    case Qt::UserRole: // what is sorted by: the text when the page gives no key
        return value.isValid() ? value : m_cell(index.row(), index.column(), Qt::DisplayRole);
    case Qt::ToolTipRole: // a cell of model text must not become rich text
        return value.isValid() ? QVariant(value.toString().left(2000).toHtmlEscaped()) : value;
    case Qt::FontRole:
        return value.isValid() ? value : QVariant(textFont(column.number || column.mono ? TextStyle::Mono : TextStyle::Body));
    case Qt::TextAlignmentRole:
        return value.isValid() ? value : QVariant(Qt::AlignVCenter | (column.number ? Qt::AlignRight : Qt::AlignLeft));
    case Qt::DisplayRole:
        return value.toString().left(1000).replace(u'\n', u' ');
    default:
        return value;
    }
}

QVariant TableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section >= m_columns.size())
        return {};
    const TableColumn& column = m_columns[section];
    if (role == Qt::DisplayRole)
        return column.title;
    if (role == Qt::ToolTipRole && !column.tip.isEmpty())
        return column.tip.toHtmlEscaped();
    if (role == Qt::TextAlignmentRole)
        return QVariant(Qt::AlignVCenter | (column.number ? Qt::AlignRight : Qt::AlignLeft));
    if (role == Qt::FontRole)
        return textFont(TextStyle::Caption);
    return {};
}

DetailTable::DetailTable(TableModel* model, QWidget* parent) : QWidget(parent), m_model(model) {
    model->setParent(this);
    auto* column = new QVBoxLayout(this);
    setNoMargins(column, Size::GapS);
    m_bar = new QWidget;
    auto* bar = new QHBoxLayout(m_bar);
    setNoMargins(bar, Size::GapS);
    m_filter = new QLineEdit;
    m_filter->setPlaceholderText(u"Filter"_s);
    m_filter->setClearButtonEnabled(true);
    m_filter->addAction(themeIcon(u"filter"_s, Tone::Hint), QLineEdit::LeadingPosition);
    m_filter->installEventFilter(this);
    m_count = new TextLabel({}, TextStyle::Caption, Tone::Second);
    bar->addWidget(m_filter, 1);
    bar->addWidget(m_count);
    m_tools = new QHBoxLayout;
    setNoMargins(m_tools, Size::GapS);
    bar->addLayout(m_tools);
    column->addWidget(m_bar);
    m_proxy = new QSortFilterProxyModel(this);
    m_proxy->setSourceModel(model);
    m_proxy->setSortRole(Qt::UserRole);
    m_proxy->setFilterKeyColumn(-1);
    m_proxy->setFilterCaseSensitivity(Qt::CaseInsensitive);
    m_proxy->setDynamicSortFilter(true);
    m_view = new QTableView;
    m_view->setModel(m_proxy);
    m_view->setSortingEnabled(true);
    m_view->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
    m_view->horizontalHeader()->setSortIndicatorClearable(true);
    m_view->horizontalHeader()->setHighlightSections(false);
    m_view->horizontalHeader()->setMinimumSectionSize(2 * px(Size::GapXl));
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
    m_view->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setTabKeyNavigation(false);
    const auto& columns = model->columns();
    bool stretched = false;
    for (int i = 0; i < columns.size(); ++i) {
        const int header = QFontMetrics(textFont(TextStyle::Caption)).horizontalAdvance(columns[i].title) +
            3 * px(Size::GapM);
        m_widths.append(std::max(columns[i].width, header));
        if (columns[i].stretch) {
            m_view->horizontalHeader()->setSectionResizeMode(i, QHeaderView::Stretch);
            stretched = true;
        } else {
            m_view->setColumnWidth(i, m_widths.last());
        }
    }
    if (!stretched)
        m_view->horizontalHeader()->setStretchLastSection(true);
    column->addWidget(m_view, 1);
    m_none = new TextLabel(u"No row passes the filter"_s, TextStyle::Body, Tone::Second, m_view);
    static_cast<QLabel*>(m_none)->setAlignment(Qt::AlignCenter);
    m_none->hide();
    auto* overlay = new QVBoxLayout(m_view->viewport());
    overlay->addWidget(m_none, 1, Qt::AlignCenter);
    auto* find = new QShortcut(QKeySequence::Find, this);
    find->setContext(Qt::WidgetWithChildrenShortcut);
    connect(find, &QShortcut::activated, this, [this] { m_filter->setFocus(Qt::ShortcutFocusReason); });
    connect(m_filter, &QLineEdit::textChanged, this, [this](const QString& text) {
        m_proxy->setFilterFixedString(text);
        updateCount();
    });
    for (const auto signal : {&QAbstractItemModel::rowsInserted, &QAbstractItemModel::rowsRemoved})
        connect(m_proxy, signal, this, &DetailTable::updateCount);
    connect(m_proxy, &QAbstractItemModel::modelReset, this, &DetailTable::updateCount);
    connect(m_view->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            [this] { Q_EMIT currentRowChanged(currentRow()); });
    connect(m_view->selectionModel(), &QItemSelectionModel::selectionChanged, this,
            [this] { Q_EMIT selectionChanged(); });
    connect(m_proxy, &QAbstractItemModel::modelReset, this, [this] { Q_EMIT currentRowChanged(-1); });
    connect(m_view, &QTableView::activated, this,
            [this](const QModelIndex& i) { Q_EMIT rowActivated(m_proxy->mapToSource(i).row()); });
    updateCount();
}

void DetailTable::updateCount() {
    const int shown = m_proxy->rowCount(), all = m_model->rowCount();
    m_count->setText(shown == all ? formatCount(all) : u"%1 of %2"_s.arg(formatCount(shown), formatCount(all)));
    m_none->setVisible(shown == 0 && all > 0);
}

int DetailTable::currentRow() const {
    const QModelIndex current = m_view->currentIndex();
    return current.isValid() ? m_proxy->mapToSource(current).row() : -1;
}
QList<int> DetailTable::selectedRows() const {
    QList<int> rows;
    for (const QModelIndex& index : m_view->selectionModel()->selectedRows())
        rows.append(m_proxy->mapToSource(index).row());
    return rows;
}
void DetailTable::selectRow(int sourceRow) {
    const QModelIndex index = m_proxy->mapFromSource(m_model->index(sourceRow, 0));
    if (index.isValid()) {
        m_view->selectionModel()->setCurrentIndex(
            index, QItemSelectionModel::ClearAndSelect | QItemSelectionModel::Rows);
        m_view->scrollTo(index);
    }
}
void DetailTable::setMultiSelect(bool multi) {
    m_view->setSelectionMode(multi ? QAbstractItemView::ExtendedSelection : QAbstractItemView::SingleSelection);
}
void DetailTable::setFilterPlaceholder(const QString& text) {
    m_filter->setPlaceholderText(text);
}
void DetailTable::setFilterVisible(bool visible) {
    m_bar->setVisible(visible);
}
void DetailTable::addToolWidget(QWidget* widget) {
    m_tools->addWidget(widget);
}
int DetailTable::shownRows() const {
    return m_proxy->rowCount();
}

void DetailTable::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fitColumns();
}

void DetailTable::fitColumns() {
    const auto& columns = m_model->columns();
    const int room = m_view->width() - 2 * m_view->frameWidth() - m_view->verticalScrollBar()->sizeHint().width();
    int needed = 0;
    for (int i = 0; i < columns.size(); ++i)
        needed += m_widths[i];
    for (int i = static_cast<int>(columns.size()) - 1; i >= 0; --i) {
        if (!columns[i].optional)
            continue;
        const bool hide = needed > room;
        m_view->setColumnHidden(i, hide);
        if (hide)
            needed -= m_widths[i];
    }
}

bool DetailTable::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_filter && event->type() == QEvent::KeyPress) {
        const int key = static_cast<QKeyEvent*>(event)->key();
        if (key == Qt::Key_Down || key == Qt::Key_Return) {
            m_view->setFocus(Qt::OtherFocusReason);
            if (!m_view->currentIndex().isValid() && m_proxy->rowCount() > 0)
                m_view->selectRow(0);
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
