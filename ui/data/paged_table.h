// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include <QAbstractTableModel>
#include <QHBoxLayout>
#include <QStringList>
#include <QWidget>

#include "ui/shell/context.h"
#include "ui/widgets/detail_table.h"

class QLineEdit;
class QTableView;
class QTimer;

namespace pl::ui {

class ImageLoader;

/// A row as the table shows it.
struct DataRow {
    desk::Id id = 0;
    QStringList cells;
    QString tip;
    bool quiet = false; ///< drawn in second text (superseded, reverted)
    QStringList pictures; ///< files of what the row is about, where that is images
    QString caption;      ///< a second line of a row with pictures
};

/// Asked on the store's thread.
struct PagedSource {
    std::function<Result<int64_t>(desk::Project&, const QString& filter)> count;
    std::function<Result<std::vector<DataRow>>(desk::Project&, const QString& filter, int64_t offset, int64_t limit)>
        rows;
};

/// Rows come in pages of 200 when they are scrolled to; until then a cell is a grey dash.
class PagedModel : public QAbstractTableModel {
    Q_OBJECT
public:
    PagedModel(Context& context, QList<TableColumn> columns, PagedSource source, QObject* parent = nullptr);
    void setFilter(const QString& filter);
    /// Counts and reads anew; what is on screen stays until the answer is there.
    void reload();
    desk::Id idAt(int row) const;
    int rowOf(desk::Id id) const; ///< among the loaded ones, -1 when it is not
    int64_t total() const { return m_total; }
    bool isLoaded() const { return m_loaded; }
    /// Had any row that was read so far pictures? Once true it stays, whatever is filtered or forgotten.
    bool hasPictures() const { return m_hasPictures; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

Q_SIGNALS:
    void loaded();
    void failed(const QString& text);
    void picturesFound(); ///< the first of them

private:
    void request(int page) const;
    void lookForPictures(const std::vector<DataRow>& rows);
    Context& m_context;
    QList<TableColumn> m_columns;
    PagedSource m_source;
    QString m_filter;
    int64_t m_total = 0;
    bool m_loaded = false, m_hasPictures = false;
    mutable int m_generation = 0;
    mutable std::map<int, std::vector<DataRow>> m_pages;
    mutable std::set<int> m_asked;
};

/// Filter line over the table; one row selected.
class PagedTable : public QWidget {
    Q_OBJECT
public:
    PagedTable(Context& context, QList<TableColumn> columns, PagedSource source, const QString& filterHint);
    PagedModel* model() const { return m_model; }
    QTableView* view() const { return m_view; }
    QLineEdit* filter() const { return m_filter; }
    /// Right of the filter line.
    void addTool(QWidget* widget);
    desk::Id currentId() const;
    void setFilterVisible(bool visible);
    /// What is said in place of rows where there are none: one sentence, with the way to the first.
    void setNothing(const QString& words) { m_nothing = words; }
    void clearSelection();
    /// Thumbnails in the columns for them; the loader outlives the table.
    void showPictures(ImageLoader* loader);

Q_SIGNALS:
    void currentChanged(qint64 id);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void fitPictures();
    PagedModel* m_model;
    QTableView* m_view;
    QLineEdit* m_filter;
    TextLabel* m_count;
    QList<TableColumn> m_columns;
    TextLabel* m_none;
    QString m_nothing;
    QHBoxLayout* m_bar;
    QTimer* m_delay;
    desk::Id m_last = 0;
};

} // namespace pl::ui
