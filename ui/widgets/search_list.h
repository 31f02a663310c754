// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>
#include <QList>
#include <QString>
#include <QWidget>

class QLineEdit;
class QListView;
class QStandardItemModel;

namespace pl::ui {

struct SearchItem {
    QString id;
    QString title;
    QString detail;   ///< shown behind the title in second text
    QString icon;     ///< icon name
    QString shortcut; ///< shown at the right
    QString group;    ///< "Page", "Run", "Prompt", "Command"
    QString keywords; ///< found but not shown
};

/// How well `query` matches: every word of it must occur (as a substring, or as a subsequence of the title); 0 = no match.
int searchScore(const QString& query, const SearchItem& item);

/// A field and the best matches below it. Up, Down and Enter work from the field.
class SearchList : public QWidget {
    Q_OBJECT
public:
    explicit SearchList(QWidget* parent = nullptr);
    void setItems(QList<SearchItem> items);
    void setPlaceholder(const QString& text);
    void setQuery(const QString& text);
    void focusField();
    /// Ids shown now, best first (at most 200).
    QStringList shownIds() const;
    QString currentId() const;

Q_SIGNALS:
    void chosen(const QString& id);
    void cancelled();

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void refresh();
    QLineEdit* m_field;
    QListView* m_view;
    QStandardItemModel* m_model;
    QWidget* m_none;
    QList<SearchItem> m_items;
};

/// Ctrl+K: a SearchList over the window. open() fills and shows it; Escape or a click elsewhere closes it.
class CommandPalette : public QFrame {
    Q_OBJECT
public:
    explicit CommandPalette(QWidget* window);
    void open(QList<SearchItem> items);
    SearchList* list() const { return m_list; }

Q_SIGNALS:
    void chosen(const QString& id);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void close();
    SearchList* m_list;
    QWidget* m_window;
};

} // namespace pl::ui
