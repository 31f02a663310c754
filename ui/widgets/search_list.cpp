// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/search_list.h"

#include <algorithm>

#include <QApplication>
#include <QEvent>
#include <QKeyEvent>
#include <QLineEdit>
#include <QListView>
#include <QPainter>
#include <QStandardItemModel>
#include <QStyledItemDelegate>
#include <QVBoxLayout>

#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kMostShown = 200;

/// 0 = no match; a start of the title beats a start of a word beats the middle of one beats scattered letters.
int wordScore(const QString& word, const SearchItem& item) {
    const auto in = [&](const QString& text, int start, int wordStart, int inside) {
        const qsizetype at = text.indexOf(word, 0, Qt::CaseInsensitive);
        if (at < 0)
            return 0;
        if (at == 0)
            return start;
        return text[at - 1].isLetterOrNumber() ? inside : wordStart;
    };
    int best = in(item.title, 100, 80, 60);
    best = std::max(best, in(item.detail, 40, 35, 30));
    best = std::max(best, in(item.keywords, 45, 40, 25));
    best = std::max(best, in(item.group, 20, 20, 0));
    if (best > 0)
        return best;
    qsizetype at = 0;
    for (const QChar c : item.title) {
        if (at < word.size() && c.toLower() == word[at].toLower())
            ++at;
    }
    return at == word.size() && word.size() > 1 ? 10 : 0;
}

enum Role { IdRole = Qt::UserRole, DetailRole, IconRole, ShortcutRole, GroupRole };

class ItemDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override {
        return {100, px(Size::Row) + px(Size::Grid)};
    }
    void paint(QPainter* p, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const QRect r = option.rect;
        p->setRenderHint(QPainter::Antialiasing);
        if (option.state & QStyle::State_Selected) {
            p->setPen(Qt::NoPen);
            p->setBrush(color(Tone::Selection));
            p->drawRoundedRect(r.adjusted(2, 1, -2, -1), 4, 4);
        }
        const int gap = px(Size::GapS), iconSize = px(Size::Icon);
        int x = r.left() + gap + gap / 2;
        const QString glyph = index.data(IconRole).toString();
        themeIcon(glyph.isEmpty() ? u"chevron_right"_s : glyph, Tone::Second)
            .paint(p, QRect(x, r.center().y() - iconSize / 2 + 1, iconSize, iconSize));
        x += iconSize + gap;
        int right = r.right() - gap - gap / 2;
        const QString shortcut = index.data(ShortcutRole).toString();
        if (!shortcut.isEmpty()) {
            const QFont mono = textFont(TextStyle::MonoCaption);
            const int w = QFontMetrics(mono).horizontalAdvance(shortcut);
            p->setFont(mono);
            p->setPen(color(Tone::Second));
            p->drawText(QRect(right - w, r.top(), w + 2, r.height()), Qt::AlignVCenter | Qt::AlignLeft, shortcut);
            right -= w + gap;
        }
        const QFont caption = textFont(TextStyle::Caption), body = textFont(TextStyle::Body);
        const QString group = index.data(GroupRole).toString();
        if (!group.isEmpty()) {
            const int w = QFontMetrics(caption).horizontalAdvance(group);
            p->setFont(caption);
            p->setPen(color(Tone::Second));
            p->drawText(QRect(right - w, r.top(), w + 2, r.height()), Qt::AlignVCenter | Qt::AlignLeft, group);
            right -= w + 2 * gap;
        }
        const QFontMetrics metrics(body);
        const QString title = metrics.elidedText(index.data(Qt::DisplayRole).toString(), Qt::ElideRight, right - x);
        p->setFont(body);
        p->setPen(color(Tone::Text));
        p->drawText(QRect(x, r.top(), right - x, r.height()), Qt::AlignVCenter | Qt::AlignLeft, title);
        x += metrics.horizontalAdvance(title) + gap;
        if (right - x > 3 * gap) {
            p->setFont(caption);
            p->setPen(color(Tone::Second));
            p->drawText(QRect(x, r.top(), right - x, r.height()), Qt::AlignVCenter | Qt::AlignLeft,
                        QFontMetrics(caption).elidedText(index.data(DetailRole).toString(), Qt::ElideRight, right - x));
        }
    }
};
} // namespace

int searchScore(const QString& query, const SearchItem& item) {
    int total = 1;
    for (const QString& word : query.split(u' ', Qt::SkipEmptyParts)) {
        const int score = wordScore(word, item);
        if (score == 0)
            return 0;
        total += score;
    }
    return total;
}

SearchList::SearchList(QWidget* parent) : QWidget(parent) {
    auto* column = new QVBoxLayout(this);
    setNoMargins(column, Size::GapS);
    m_field = new QLineEdit;
    m_field->setPlaceholderText(u"Search"_s);
    m_field->setClearButtonEnabled(true);
    m_field->addAction(themeIcon(u"search"_s, Tone::Hint), QLineEdit::LeadingPosition);
    m_field->installEventFilter(this);
    m_model = new QStandardItemModel(this);
    m_view = new QListView;
    setLook(m_view, "plain");
    m_view->setModel(m_model);
    m_view->setItemDelegate(new ItemDelegate(m_view));
    m_view->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_view->setUniformItemSizes(true);
    m_view->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_none = new TextLabel(u"Nothing found"_s, TextStyle::Body, Tone::Second);
    static_cast<QLabel*>(m_none)->setAlignment(Qt::AlignCenter);
    m_none->hide();
    column->addWidget(m_field);
    column->addWidget(m_view, 1);
    column->addWidget(m_none, 1);
    connect(m_field, &QLineEdit::textChanged, this, &SearchList::refresh);
    connect(m_view, &QListView::clicked, this, [this](const QModelIndex& i) { Q_EMIT chosen(i.data(IdRole).toString()); });
    connect(m_view, &QListView::activated, this,
            [this](const QModelIndex& i) { Q_EMIT chosen(i.data(IdRole).toString()); });
    setFocusProxy(m_field);
}

void SearchList::setItems(QList<SearchItem> items) {
    m_items = std::move(items);
    refresh();
}
void SearchList::setPlaceholder(const QString& text) {
    m_field->setPlaceholderText(text);
}
void SearchList::setQuery(const QString& text) {
    m_field->setText(text);
}
void SearchList::focusField() {
    m_field->setFocus(Qt::ShortcutFocusReason);
    m_field->selectAll();
}

QStringList SearchList::shownIds() const {
    QStringList ids;
    for (int i = 0; i < m_model->rowCount(); ++i)
        ids.append(m_model->index(i, 0).data(IdRole).toString());
    return ids;
}
QString SearchList::currentId() const {
    return m_view->currentIndex().data(IdRole).toString();
}

void SearchList::refresh() {
    std::vector<std::pair<int, qsizetype>> found;
    for (qsizetype i = 0; i < m_items.size(); ++i)
        if (const int score = searchScore(m_field->text(), m_items[i]); score > 0)
            found.emplace_back(score, i);
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    m_model->clear();
    for (const auto& [score, i] : found) {
        if (m_model->rowCount() >= kMostShown)
            break;
        const SearchItem& item = m_items[i];
        auto* row = new QStandardItem(item.title);
        row->setData(item.id, IdRole);
        row->setData(item.detail, DetailRole);
        row->setData(item.icon, IconRole);
        row->setData(item.shortcut, ShortcutRole);
        row->setData(item.group, GroupRole);
        m_model->appendRow(row);
    }
    m_view->setVisible(!found.empty());
    m_none->setVisible(found.empty());
    if (!found.empty())
        m_view->setCurrentIndex(m_model->index(0, 0));
}

bool SearchList::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_field && event->type() == QEvent::KeyPress) {
        auto* key = static_cast<QKeyEvent*>(event);
        const int row = m_view->currentIndex().row();
        const int page = std::max(1, m_view->height() / (px(Size::Row) + px(Size::Grid)) - 1);
        int step = 0;
        switch (key->key()) {
        case Qt::Key_Down:
            step = 1;
            break;
        case Qt::Key_Up:
            step = -1;
            break;
        case Qt::Key_PageDown:
            step = page;
            break;
        case Qt::Key_PageUp:
            step = -page;
            break;
        case Qt::Key_Return:
        case Qt::Key_Enter:
            if (const QString id = currentId(); m_model->rowCount() > 0)
                Q_EMIT chosen(id);
            return true;
        case Qt::Key_Escape:
            Q_EMIT cancelled();
            return true;
        default:
            return false;
        }
        if (m_model->rowCount() > 0)
            m_view->setCurrentIndex(m_model->index(std::clamp(row + step, 0, m_model->rowCount() - 1), 0));
        return true;
    }
    return QWidget::eventFilter(watched, event);
}

CommandPalette::CommandPalette(QWidget* window) : QFrame(window), m_window(window) {
    setLook(this, "palette");
    setAutoFillBackground(true);
    auto* column = new QVBoxLayout(this);
    setGaps(column, Size::GapS, Size::GapS);
    m_list = new SearchList;
    m_list->setPlaceholder(u"Find a page, run, prompt or command"_s);
    column->addWidget(m_list);
    hide();
    window->installEventFilter(this);
    connect(m_list, &SearchList::cancelled, this, &CommandPalette::close);
    connect(m_list, &SearchList::chosen, this, [this](const QString& id) {
        close();
        Q_EMIT chosen(id);
    });
}

void CommandPalette::open(QList<SearchItem> items) {
    m_list->setQuery({});
    m_list->setItems(std::move(items));
    const int width = std::min(m_window->width() - 2 * px(Size::GapXl), 4 * px(Size::TileMin));
    const int height = std::min(m_window->height() - 4 * px(Size::GapXl), 14 * px(Size::Row));
    setGeometry((m_window->width() - width) / 2, 2 * px(Size::GapXl), width, height);
    raise();
    show();
    m_list->focusField();
    qApp->installEventFilter(this);
}

void CommandPalette::close() {
    qApp->removeEventFilter(this);
    hide();
    m_window->setFocus(Qt::OtherFocusReason);
}

bool CommandPalette::eventFilter(QObject* watched, QEvent* event) {
    if (!isVisible())
        return false;
    if (event->type() == QEvent::MouseButtonPress) {
        auto* widget = qobject_cast<QWidget*>(watched);
        if (widget && widget != this && !isAncestorOf(widget) && widget->window() == m_window->window())
            close();
    } else if (watched == m_window && event->type() == QEvent::Resize) {
        close();
    }
    return false;
}

} // namespace pl::ui
