// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>

#include <QAbstractTableModel>
#include <QList>
#include <QString>
#include <QTableView>
#include <QWidget>

class QLineEdit;
class QSortFilterProxyModel;

namespace pl::ui {

struct TableColumn {
    QString title;
    bool number = false;  ///< right aligned, mono
    bool mono = false;    ///< ids and code
    int width = 0;        ///< 0: by content of the header, stretches if `stretch`
    bool stretch = false;
    QString tip;
    bool optional = false; ///< left out while the table is too narrow for all; the last such column goes first
    bool pictures = false;  ///< PagedTable: thumbnails instead of words; left out while no row has any
    bool captioned = false; ///< PagedTable: the row's caption below the words
    QString imageTitle = {}; ///< PagedTable: instead of the title where rows have pictures
};

/// Rows by function: the page keeps its data, the model asks for cells. Roles: DisplayRole (QString), UserRole (sort
/// key), DecorationRole (icon), ToolTipRole, ForegroundRole; anything not answered falls back.
class TableModel : public QAbstractTableModel {
    Q_OBJECT
public:
    using Cell = std::function<QVariant(int row, int column, int role)>;
    explicit TableModel(QList<TableColumn> columns, Cell cell, QObject* parent = nullptr);
    /// The data was replaced: selection is lost.
    void reset(int rows);
    /// Rows were appended at the end.
    void appendTo(int rows);
    /// Cells of rows [first, last] changed.
    void changed(int first, int last);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    const QList<TableColumn>& columns() const { return m_columns; }

private:
    QList<TableColumn> m_columns;
    Cell m_cell;
    int m_rows = 0;
};

/// A filter line over a table of 28 px rows; sorting by header, one row selected, Ctrl+F goes to the filter.
class DetailTable : public QWidget {
    Q_OBJECT
public:
    explicit DetailTable(TableModel* model, QWidget* parent = nullptr);
    QTableView* view() const { return m_view; }
    QLineEdit* filter() const { return m_filter; }
    TableModel* model() const { return m_model; }
    /// Source row selected, -1 for none.
    int currentRow() const;
    QList<int> selectedRows() const;
    void selectRow(int sourceRow);
    void setMultiSelect(bool multi);
    void setFilterPlaceholder(const QString& text);
    void setFilterVisible(bool visible);
    /// A widget at the right end of the filter line (saved filters, buttons).
    void addToolWidget(QWidget* widget);
    /// Rows that pass the filter.
    int shownRows() const;

Q_SIGNALS:
    void currentRowChanged(int sourceRow);
    void rowActivated(int sourceRow);
    void selectionChanged();

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    TableModel* m_model;
    QSortFilterProxyModel* m_proxy;
    QTableView* m_view;
    QLineEdit* m_filter;
    class QHBoxLayout* m_tools;
    QWidget* m_bar;
    QWidget* m_none;
    class QLabel* m_count;
    QList<int> m_widths; ///< what each column needs
    void updateCount();
    void fitColumns();
};

} // namespace pl::ui
